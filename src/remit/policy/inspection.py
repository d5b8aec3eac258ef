"""Content for policy: what detectors find in an event, with what the bundle tells them.

``remit.content`` and its rules are imported at the first use, because most bundles need neither
and a short-lived process would wait for them.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from remit.core.event import Event, Kind
from remit.policy.bundle import Bundle
from remit.policy.labels import Labels
from remit.policy.obligations import kinds

if TYPE_CHECKING:
    from remit.content.base import Channel, Surroundings
    from remit.content.provenance import Provenance
    from remit.content.summary import Summary
    from remit.content.vault import Vault


class Inspector:
    """Looks into events with the trusted domains, terms and canaries of one bundle."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._around: dict[str, Surroundings] = {}

    def warm(self) -> None:
        """Load rules and model now; later it would be part of somebody's call.

        Raises:
            RemitError: a detector that the bundle asks for is not installed.
        """
        self.look("warm up", "tool_result")
        if "names" in self._bundle.detectors:
            from remit.content.detectors.names import engine

            engine()

    def look(self, value: Any, channel: "Channel", vault: "Vault | None" = None) -> "Summary":
        """What is in a decoded value. Never raises."""
        from remit.content.summary import summarise

        return summarise(value, self._surroundings(channel), vault)

    def look_into(self, event: Event, vault: "Vault | None" = None) -> "Summary":
        """What is in an event: in its input, and in what goes along with it. Never raises."""
        if event.inbound:
            return self.look(event.content, "tool_result", vault)
        beside = {} if event.content is None else {"beside": event.content}
        return self.look({"input": event.input, **beside}, "tool_args", vault)

    def masked(self, event: Event) -> str:
        """The texts of what comes in, one below the other, without values of anybody."""
        from remit.content.redact import Style, everything
        from remit.content.redact_json import redact_value
        from remit.content.values import walk

        around = self._surroundings("tool_result")
        cleaned = redact_value(event.content, around, Style(), wanted=everything)
        return "\n".join(p.text for p in walk(cleaned).pieces if p.what in {"text", "blob"})

    def redact(
        self, event: Event, parameters: Mapping[str, str], vault: "Vault", key: bytes,
        seen: "Summary | None" = None,
    ) -> Event:  # fmt: skip
        """``event`` without what a policy's ``@findings`` names, replaced as its ``@with`` says.

        What goes along with a call is not changed: whoever asks for redaction looks again.

        Args:
            event: its content is redacted if it is inbound, else its input.
            parameters: of the obligation.
            vault: the session's own.
            key: likewise, for digests.
            seen: what :meth:`look_into` found in this inbound event, if it did.

        Raises:
            msgspec.ValidationError: there is no such form.
        """
        from remit.content.redact import Form, Style
        from remit.content.redact_json import redact_value

        channel: Channel = "tool_result" if event.inbound else "tool_args"
        value = event.content if event.inbound else event.input
        wanted = kinds(parameters.get("findings", ""))
        found = seen if seen is not None and event.inbound else self.look(value, channel, vault)
        form = msgspec.convert(parameters.get("with", "mask"), Form)
        cleaned = redact_value(
            value,
            self._surroundings(channel),
            Style(form=form, key=key, vault=vault),
            wanted=lambda finding: finding.kind in wanted,
            only={seen.path for seen in found.seen if seen.finding.kind in wanted},
        )
        if event.inbound:
            return msgspec.structs.replace(event, content=_in_shape(value, cleaned))
        return msgspec.structs.replace(event, input=cleaned)

    def _surroundings(self, channel: "Channel") -> "Surroundings":
        known = self._around.get(channel)
        if known is None:
            from remit.content.base import Surroundings

            known = self._around[channel] = Surroundings(
                channel=channel,
                trusted_domains=frozenset(self._bundle.trusted_domains),
                canaries=self._bundle.canaries,
                terms=self._bundle.terms,
                optional=frozenset(self._bundle.detectors),
            )
        return known


def _in_shape(value: Any, cleaned: Any) -> Any:
    """``cleaned`` with the number of an error and the names of questions as they were.

    A client that finds a text where the protocol has a number drops the answer, and answers to a
    question go by its name. If they are what was found, whoever looks again finds them again.
    """
    if not (isinstance(value, Mapping) and isinstance(cleaned, dict)):
        return cleaned
    if type(value.get("code")) is int and "message" in value and "code" in cleaned:
        cleaned["code"] = value["code"]
    if "error" in value and "error" in cleaned:
        cleaned["error"] = _in_shape(value["error"], cleaned["error"])
    asked, left = value.get("inputRequests"), cleaned.get("inputRequests")
    if isinstance(asked, Mapping) and isinstance(left, dict) and len(asked) == len(left):
        cleaned["inputRequests"] = dict(zip(asked, left.values(), strict=True))
    return cleaned


def flow_of(event: Event, labels: Labels, seen: "Provenance | None") -> Mapping[str, Any]:
    """``context.flow`` of an event.

    Args:
        event: a call, or anything else, which flows nowhere.
        labels: of the tool.
        seen: what the session has seen; ``None`` if it has seen nothing.
    """
    from remit.content.flow import NOTHING, flow
    from remit.content.provenance import Provenance

    if event.kind is not Kind.TOOL_CALL:
        return NOTHING
    effect = labels.of(event.tool_class)
    return flow(event.input, labels.dest, effect, Provenance() if seen is None else seen)
