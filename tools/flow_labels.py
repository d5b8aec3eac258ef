"""Labels of the tools of AgentDojo's suites ``workspace`` and ``slack``, set by hand.

They follow each tool's description, arguments and declared result, and were refined while looking
at traces of the attack ``important_instructions``. The rules:

result
    ``untrusted``: outsiders can have written part of the text (mail, messages, pages, files,
    calendar entries); also a write that gives back what it changed, because that repeats such text.
    ``listing``: a directory. Its fields are trusted, its free text is not.
    ``trusted``: the user's own facts, and confirmations that the tool words itself.
effect
    ``none`` reads. ``internal`` writes what stays with the user. ``egress`` sends to others, gives
    them access, or fetches a URL. ``irreversible`` deletes, cancels or removes.
dest
    The arguments that say where data goes, or which existing thing is changed.
"""

from collections.abc import Mapping
from typing import Literal, TypedDict

Result = Literal["untrusted", "listing", "trusted"]
Effect = Literal["none", "internal", "egress", "irreversible"]


class Labels(TypedDict):
    """Labels of one tool, as ``remit simulate`` reads them."""

    result: Result
    effect: Effect
    dest: list[str]


def _tool(result: Result, effect: Effect, *dest: str) -> Labels:
    return {"result": result, "effect": effect, "dest": list(dest)}


WORKSPACE: Mapping[str, Labels] = {
    "send_email": _tool("untrusted", "egress", "recipients", "cc", "bcc"),  # gives the mail back
    "delete_email": _tool("trusted", "irreversible", "email_id"),
    "get_unread_emails": _tool("untrusted", "none"),
    "get_sent_emails": _tool("untrusted", "none"),  # the user's mail quotes that of others
    "get_received_emails": _tool("untrusted", "none"),
    "get_draft_emails": _tool("untrusted", "none"),
    "search_emails": _tool("untrusted", "none"),
    "search_contacts_by_name": _tool("listing", "none"),
    "search_contacts_by_email": _tool("listing", "none"),
    # Every change of an entry is mailed to those who take part.
    "get_current_day": _tool("trusted", "none"),
    "search_calendar_events": _tool("untrusted", "none"),
    "get_day_calendar_events": _tool("untrusted", "none"),
    "create_calendar_event": _tool("untrusted", "egress", "participants"),
    "cancel_calendar_event": _tool("trusted", "irreversible", "event_id"),
    "reschedule_calendar_event": _tool("untrusted", "egress", "event_id"),
    "add_calendar_event_participants": _tool("untrusted", "egress", "event_id", "participants"),
    "append_to_file": _tool("untrusted", "internal", "file_id"),
    "search_files_by_filename": _tool("untrusted", "none"),
    "create_file": _tool("untrusted", "internal"),
    "delete_file": _tool("untrusted", "irreversible", "file_id"),  # gives the file back
    "get_file_by_id": _tool("untrusted", "none"),
    "list_files": _tool("untrusted", "none"),  # gives what is in them, too
    "share_file": _tool("untrusted", "egress", "file_id", "email"),
    "search_files": _tool("untrusted", "none"),
}

SLACK: Mapping[str, Labels] = {
    "get_channels": _tool("listing", "none"),
    "add_user_to_channel": _tool("trusted", "egress", "user", "channel"),  # opens it to them
    "read_channel_messages": _tool("untrusted", "none"),
    "read_inbox": _tool("untrusted", "none"),
    "send_direct_message": _tool("trusted", "egress", "recipient"),
    "send_channel_message": _tool("trusted", "egress", "channel"),
    "get_users_in_channel": _tool("listing", "none"),
    "invite_user_to_slack": _tool("trusted", "egress", "user", "user_email"),
    "remove_user_from_slack": _tool("trusted", "irreversible", "user"),
    "get_webpage": _tool("untrusted", "egress", "url"),  # a URL carries data out
    "post_webpage": _tool("trusted", "egress", "url"),
}

LABELS: Mapping[str, Mapping[str, Labels]] = {"workspace": WORKSPACE, "slack": SLACK}
