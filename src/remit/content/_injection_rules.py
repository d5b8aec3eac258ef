# ruff: noqa: RUF001 - quotation marks; a pattern is easier to read in one line than in two
"""Rules for instructions that are smuggled into a text, and what each adds to a window's score.

A rule does not decide alone: its points are added to the logit of the n-gram model, and the sum is
held against the threshold of the channel. Families follow the taxonomies of OWASP LLM01, of
Greshake et al. (arXiv 2302.12173, indirect injection) and Shen et al. (arXiv 2308.03825, personas).
Where rules of :data:`DECISIVE` points match, the words around them cannot talk the score down below
zero: padding is what attackers do. A phrase right behind a quotation mark is spoken about rather
than spoken: it counts a third.
"""

from __future__ import annotations

import functools
from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

from remit.content._injection_tongues import LATIN, OTHER, Rule
from remit.content.patterns import Pattern, PatternSet

MENTION = 1 / 3
MOST_POINTS = 5.0
DECISIVE = 2.0


class Hit(NamedTuple):
    """A match of a rule."""

    rule: Rule
    start: int
    end: int
    points: float
    quoted: bool


class Hits:
    """The matches in a text, by place.

    Args:
        hits: in any order.
    """

    def __init__(self, hits: Iterable[Hit]) -> None:
        self.all = sorted(hits, key=lambda h: (h.start, h.end, h.rule.id))
        self._starts = [h.start for h in self.all]
        self._longest = max((h.end - h.start for h in self.all), default=0)

    def within(self, start: int, end: int) -> list[Hit]:
        """The best match of each rule of those that reach into a window."""
        best: dict[str, Hit] = {}
        low = bisect_left(self._starts, start - self._longest)
        for hit in self.all[low : bisect_left(self._starts, end)]:
            if hit.end > start:
                before = best.get(hit.rule.id)
                if before is None or hit.points > before.points:
                    best[hit.rule.id] = hit
        return list(best.values())


class Weight(NamedTuple):
    """What matches in a window amount to."""

    points: float
    decisive: bool

    def on(self, logit: float) -> float:
        """The logit of the window with them."""
        return (max(logit, 0.0) if self.decisive else logit) + self.points


def weigh(hits: Iterable[Hit]) -> Weight:
    """Points in sum; of rules that show the same thing the best counts, and the others a third."""
    sums: dict[str, float] = {}
    decisive = False
    for hit in sorted(hits, key=lambda h: -h.points):
        seen = sums.get(hit.rule.label)
        sums[hit.rule.label] = hit.points if seen is None else seen + hit.points / 3
        decisive |= hit.points >= DECISIVE and not hit.quoted
    return Weight(min(sum(sums.values()), MOST_POINTS), decisive)


_DROP = (
    r"(?:ignor\w*|disregard\w*|forget|overrid\w+|bypass\w*|discard|neglect|overlook|abandon|skip|"
    r"erase|drop|cancel|(?:do not|don't|stop) (?:follow|obey)\w*|set aside|pay no attention to)"
)
_STRONG = (
    r"(?:ignor\w*|disregard\w*|forget|overrid\w+|bypass\w*|discard|neglect|overlook|abandon|erase|"
    r"(?:do not|don't|stop) (?:follow|obey)\w*|set aside|pay no attention to)"
)
_DROP_KEYS = (
    "ignor", "disregard", "forget", "overrid", "bypass", "discard", "neglect", "overlook",
    "abandon", "skip", "erase", "drop", "cancel", "follow", "obey", "set aside", "attention",
)  # fmt: skip
_OLD = r"(?:previous|prior|earlier|preceding|above|foregoing|initial|original|former|past|old)"
_ORDERS = (
    r"(?:instruct\w*|directions?|prompts?|directives?|guidelines?|guidance|rules?|orders?|"
    r"commands?|context|polic(?:y|ies)|programming|training|constraints?|restrictions?|"
    r"messages? you)"
)
_AI = r"(?:AI|LLM|language model|assistant|agent|chat ?bot|copilot|GPT(?:-\d)?|Claude|Gemini)"
_CARGO = (
    r"(?:passwords?|api[ _-]?keys?|secrets?|tokens?|credentials?|conversation|chat (?:history|log)|"
    r"inbox|(?:all|every|any)(?: \w+){0,3} (?:e-?mails?|messages?|files?|contacts?|data|records)|"
    r"private keys?|\.ssh|id_rsa|\.env\b|environment variables|(?:security|access) codes?|"
    r"system prompt)"
)

ENGLISH: tuple[Rule, ...] = (
    Rule("override_previous", "override", 3.5,
         rf"\b{_STRONG}\b[^.?!\n]{{0,40}}\b{_OLD}\b(?:,? (?:and|or) \w+)?(?:'s)?,? (?:\w+ )?{_ORDERS}", _DROP_KEYS),
    Rule("override_yours", "override", 2.5,
         rf"\b{_DROP}\b[\w ,]{{0,24}}\byour\b[\w ,-]{{0,30}}\b(?:{_ORDERS}|filters?|ethics|safety)",
         _DROP_KEYS),
    Rule("override_all", "override", 1.5,
         rf"\b{_DROP} (?:all|any|every|each)\b[\w ,']{{0,30}}\b{_ORDERS}", _DROP_KEYS),
    Rule("override_above", "override", 2.5,
         rf"\b{_DROP}\b[\w ]{{0,12}} (?:everything|anything|all|text|words|what)\b[\w ,']{{0,24}}\b"
         r"(?:above|before|prior|previous|so far|you (?:were|have been|know))", _DROP_KEYS),
    Rule("override_the_above", "override", 2.5,
         r"\b(?:ignor\w*|disregard|forget|discard)(?: all| any)?(?: of)? the (?:above|preceding|foregoing)"
         r"(?: text| task| request)?[ ,;.]{1,2}(?:and|then|but|instead|now)\b", ("above", "preceding", "foregoing")),
    Rule("override_void", "override", 2.5,
         rf"\b(?:{_OLD}|your|all)\b [\w ]{{0,16}}{_ORDERS} (?:(?:above )?(?:are|were|is)|have been|"
         r"has been|no longer)\b[\w ]{0,16}(?:void|apply|revoked|cancel|delet|lifted|outdated|"
         r"suspended|obsolete|disabled|superseded by th)",
         ("void", "apply", "revoked", "cancel", "delet", "lifted", "outdated", "suspended",
          "obsolete", "disabled", "superseded")),
    Rule("override_new", "override", 1.2,
         r"\b(?:new|real|actual|updated|true|following) (?:system )?(?:instructions?|task|orders?|"
         r"directives?)\b ?(?:[:=]|are\b|is\b)", ("instruction", "task", "order", "directive")),
    Rule("override_only", "override", 2.0,
         r"\bonly (?:follow|obey|execute) the (?:following|next|new) (?:instruct|order|command)",
         ("only follow", "only obey", "only execute")),
    Rule("chat_template", "role_spoofing", 2.0,
         r"<\|(?:im_start|im_end|system|user|assistant|endoftext|eot_id|start_header_id|"
         r"begin_of_text)\|>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>", ("<|", "inst]", "sys>>",
         "_of_turn")),
    Rule("role_line", "role_spoofing", 1.0,
         r"(?:^|\n|[\]}>*#]) ?[\[(*#]{0,3} ?(?:system|developer|admin(?:istrator)?|root)"
         r"(?: (?:message|prompt|override|notice|instruction|update|command))? ?[\])*]{0,3}[:>\]]",
         ("system", "developer", "admin", "root")),
    Rule("role_order", "role_spoofing", 3.5,
         r"(?:^|\n|[\]}>*#] ?)[\[(*#]{0,3}(?-i:SYSTEM|ASSISTANT|ADMIN|AI|AGENT)(?: (?:message|prompt|"
         r"override|notice|instruction|update|command))?[\])*]{0,3}: ?(?:you |please |now |"
         r"immediately )?(?:must )?(?:send|forward|e-?mail|delete|concatenate|visit|invite|create|"
         r"transfer|post|upload|share|call|execute|run|open|download|buy|book|pay|make|add|change|"
         r"update|print|reveal|ignore|disregard|stop|output|say|respond|reply)\b",
         ("SYSTEM", "ASSISTANT", "ADMIN", r"\bAI", r"\bAGENT")),
    Rule("role_override", "role_spoofing", 2.5,
         r"\b(?:system|admin|safety|policy|root|developer)[ _-]override\b[\])]?[ :]",
         ("override",)),
    Rule("role_tag", "role_spoofing", 0.8,
         r"</?(?:system|instructions?|information|admin|important|secret|override|user|assistant)>",
         ("system>", "instruction", "information>", "admin>", "important>", "secret>", "override>",
          "user>", "assistant>")),
    Rule("role_message", "role_spoofing", 3.5,
         rf"\b(?:this is (?:an? )?(?:\w+ )?message from (?:me|the user|your)\b[^\n]{{0,60}}\b"
         rf"(?:to you|{_AI})|before you can (?:solve|complete|do) the task)",
         ("message from", "before you can")),
    Rule("role_authority", "role_spoofing", 1.0,
         r"\b(?:I am|I'm|this is|speaking as) (?:now )?(?:your|the|an?) (?:\w+ )?(?:developer|"
         r"creator|administrator|admin|owner|engineer at (?:openai|anthropic|google))",
         ("developer", "creator", "admin", "owner", "engineer")),
    Rule("end_of_text", "role_spoofing", 1.5,
         r"\bend of (?:the )?(?:document|text|input|prompt|instructions?|context|data)\b[^\w]{0,12}"
         r"(?:new|begin|start|now|ignore|system|next)", ("end of",)),
    Rule("leak_prompt", "prompt_leak", 2.0,
         r"\b(?:reveal|show|print|output|repeat|display|leak|dump|tell|give|expose|disclose|share|"
         r"paste|reproduce|summari[sz]e|translate|what(?:'s| is| are| was| were))\b[^.?!\n]{0,30}\b"
         r"your\b[^.?!\n]{0,24}\b(?:system|initial|hidden|secret|original|developer|internal|"
         r"confidential|base|full|exact|entire) (?:\w+ )?(?:prompts?|instructions?|messages?|"
         r"directives?|rules|config\w*|guidelines)", ("your",)),
    Rule("leak_the_prompt", "prompt_leak", 1.2,
         r"\b(?:reveal|print|output|repeat|leak|dump|expose|disclose)\b[^.?!\n]{0,24}\b(?:system|"
         r"hidden|secret|initial|confidential) (?:prompt|instructions?|message)",
         ("prompt", "instruction", "message")),
    Rule("leak_above", "prompt_leak", 2.0,
         r"\b(?:repeat|print|output|copy|recite|write|translate|summari[sz]e)\b[\w ]{0,20}\b"
         r"(?:everything|all|text|words|sentences?|instructions?|conversation)\b[\w ]{0,16}\b"
         r"(?:above|before (?:this|my)|preceding|prior to)", ("above", "before", "preceding", "prior")),
    Rule("leak_told", "prompt_leak", 1.0,
         r"\b(?:instructions?|rules|prompt|directives?)\b[\w ]{0,16}\b(?:you (?:were|have been|are) "
         r"(?:given|told|programmed)|given to you|(?:at|from) the (?:top|start|beginning) of (?:this|"
         r"our|the) (?:chat|conversation))", ("you were", "you have", "you are", "to you", "the top",
         "the start", "the beginning")),
    Rule("persona_name", "jailbreak", 2.5,
         r"\bdo anything now(?:[^ \w]| [^t]|$)|\b(?:you are|as|be|act|named?|called|mode|of|is) "
         r"(?:now )?[\"'“]?(?-i:DAN|STAN|DUDE|AIM|EvilBOT|JailBreak|BetterDAN)\b|\bevil[- ]?bot\b",
         ("anything now", r"\bDAN", r"\bSTAN", "DUDE", r"\bAIM", "EvilBOT", "JailBreak", "BetterDAN",
          "evil bot", "evil-bot", "evilbot")),
    Rule("persona_mode", "jailbreak", 2.0,
         r"\b(?:enter|enable|activate|switch (?:in)?to|now in|you are in)\b[\w ]{0,12}\b(?:developer|"
         r"god|jailbreak|unrestricted|debug|admin|sudo|uncensored|maintenance) mode\b|\b(?:developer|"
         r"god|jailbreak) mode (?:enabled|activated|on\b|output)", ("mode",)),
    Rule("persona_free", "jailbreak", 2.5,
         r"\b(?:you are|you're|you will|pretend|act as|simulate|imagine|become|roleplay|respond as|"
         r"behave|an? (?:AI|model|assistant|bot))\b[^.?!\n]{0,70}\b(?:unrestricted|unfiltered|"
         r"uncensored|amoral|jailbroken|(?:no|without|free (?:of|from)|not bound by|ignores?)"
         r"(?: \w+){0,2} (?:rules|filters?|restrictions?|limits|limitations|guidelines|ethics|"
         r"ethical|moral\w*|censorship|polic(?:y|ies)|constraints))",
         ("unrestricted", "unfiltered", "uncensored", "amoral", "jailbroken", "no ", "without",
          "free of", "free from", "not bound", "ignore")),
    Rule("persona_comply", "jailbreak", 1.2,
         r"\b(?:never|cannot|can't|not|without) (?:refus\w+|say no|declin\w+|object\w*|apologi[sz]\w+"
         r"|warn\w*)\b|\b(?:no|without|skip) (?:any )?(?:warnings|disclaimers|refusals)|\bno matter "
         r"how (?:illegal|unethical|harmful)|\beven if (?:it is |they are )?(?:illegal|unethical)",
         ("refus", "say no", "declin", "object", "apologi", "warn", "disclaimer", "no matter",
          "even if")),
    Rule("safety_off", "jailbreak", 2.0,
         r"\b(?:disabl\w+|turn off|deactivat\w+|switch off|remov\w+|lift|suspend\w*|bypass\w*|"
         r"circumvent\w*|without)\b[\w ]{0,12}\b(?:your|all|its|any)\b[\w ]{0,20}\b(?:safety|content|"
         r"ethic\w*|moral|guard ?rails?|filters?|restrictions?|censor\w*|moderation|safeguards?)",
         ("safety", "content", "ethic", "moral", "guard", "filter", "restriction", "censor",
          "moderation")),
    Rule("to_the_ai", "indirect_command", 2.5,
         r"\b(?:dear|hey|hi|hello|attention|note (?:to|for)|message (?:to|for)|instructions? (?:to|"
         r"for)|task for|reminder (?:to|for))[,:]? (?:the |all |any |every )?(?:future )?"
         rf"{_AI}s?\b(?: (?:reading|processing|summari|assistant|agent|model))?[ :,.!)]",
         (r"\bdear", r"\bhey", r"\bhi", r"\bhello", r"\battention", r"\bnote ", r"\bmessage ",
          r"\binstruction", r"\btask for", r"\breminder")),
    Rule("if_you_are_ai", "indirect_command", 2.0,
         rf"\b(?:if|when|since|as) (?:you are|you're|an?|the|any) (?:an? )?(?:\w+ )?{_AI}s?\b"
         r"[^.?!\n]{0,30}\b(?:reads?|reading|process\w*|summari\w+|access\w*|see|sees|view\w*)\b",
         (r"\bai", "llm", "language model", r"\bassistant", r"\bagent", "chatbot", "chat bot", "copilot",
          r"\bgpt", "claude", "gemini")),
    Rule("keep_from_user", "indirect_command", 2.0,
         r"\b(?:do not|don't|never|without)\b (?:tell|inform|mention|notify|alert|ask|show|report)"
         r"\w*\b[\w ]{0,16}\b(?:to )?(?:the |your )?(?:user|human|operator|owner)\b|\b(?:hide|"
         r"conceal|keep) (?:this|it|that)\b[\w ]{0,10}\bfrom the user",
         ("user", "human", "operator", "owner")),
    Rule("before_answer", "indirect_command", 1.5,
         r"\b(?:before|prior to|instead of) (?:you )?(?:answer|respond|reply|do|doing|solv|continu|"
         r"proceed|complet|summari|help)\w*\b[^.\n]{0,50}\b(?:you (?:must|need|should|have to)|"
         r"please|first|make sure|do the following)", ("before", "prior to", "instead of")),
    Rule("follow_this", "indirect_command", 1.0,
         r"\b(?:you (?:must|need to|have to|will|should)|please|now|immediately|first|also) (?:also |"
         r"now |first |then )?(?:call|invoke|execute|run|send|forward|e-?mail|transfer|delete|post|"
         r"upload|visit|click|open|fetch) ", (r"\bcall ", r"\binvoke ", r"\bexecute ", r"\brun ",
         r"\bsend ", r"\bforward ", "mail ", r"\btransfer ", r"\bdelete ", r"\bpost ", r"\bupload ",
         r"\bvisit ", r"\bclick ", r"\bopen ", r"\bfetch ")),
    Rule("tool_call", "tool_bait", 1.5,
         r"\b(?:call|invoke|use|execute|run|trigger) (?:the |your )?(?:`?[a-z]+(?:_[a-z]+)+`?|\w+ "
         r"(?:tool|function|plugin))\b[^\n]{0,60}\b(?:with|to|and|on)\b",
         (r"\bcall ", r"\binvoke ", r"\buse ", r"\bexecute ", r"\brun ", r"\btrigger ")),
    Rule("move_money", "tool_bait", 2.5,
         r"\b(?:call|invoke|use|execute|run) `?[a-z]*(?:transfer|pay|send|wire)[a-z_]*`?[^\n]{0,40}\bwith\b[^\n]{0,40}"
         r"\b(?:amount|account|recipient|iban|to)\b", ("transfer", "pay", "send", "wire")),
    Rule("approved", "tool_bait", 1.5,
         r"\b(?:the )?user (?:has|already)(?: already)? (?:approved|confirmed|agreed|authori[sz]ed)|"
         r"\bno (?:confirmation|approval) (?:is )?(?:needed|required|necessary)|\bdo not ask for "
         r"(?:confirmation|permission|approval)", ("user ", "no confirmation", "no approval",
         "do not ask")),
    Rule("exfiltrate", "tool_bait", 2.5,
         r"\b(?:send|forward|e-?mail|post|upload|exfiltrate|leak|transmit|publish|copy|append)\b"
         rf"[^.?!\n]{{0,60}}{_CARGO}[^?!\n]{{0,60}}\b(?:to|at|in|into)\b (?:\S+@\S|https?:|www\.|"
         r"the (?:channel|address|url|following|public)|this (?:address|url|link)|attacker|\+?\d{4})",
         (r"\bsend", r"\bforward", r"\bemail", r"\be-mail", r"\bpost", r"\bupload", "exfiltrate",
          r"\bleak", r"\btransmit", r"\bpublish", r"\bcopy", r"\bappend")),
    Rule("shell", "tool_bait", 1.0,
         r"\brm -rf [/~*]|\b(?:cat|less|read) /etc/(?:passwd|shadow)|\bcurl [^\n|]{0,80}\| ?(?:ba)?sh"
         r"|\bos\.(?:system|popen)\(|\b(?:eval|exec)\b[^\n]{0,60}\b(?:whoami|passwd|rm -rf)|"
         r"\b(?:run|execute|bypass)\W{1,4}whoami", ("rm -rf", "/etc/", "curl", "os.", "eval",
         "exec", "whoami")),
    Rule("comment", "hidden_command", 2.5,
         rf"<!--[^>]{{0,160}}\b(?:ignore (?:the|all|any|your|this|previous)|disregard|you must|instruct\w* (?:for|to)|{_AI}[:,])",
         ("<!--",)),
    Rule("invisible_style", "hidden_command", 2.5,
         r"(?:display: ?none|visibility: ?hidden|font-size: ?0|opacity: ?0|color: ?(?:white|#fff)|"
         rf"<\w+ hidden)[^>]{{0,60}}>[^<]{{0,240}}\b(?:ignore|disregard|instruct|you must|{_AI}\b|"
         r"system prompt|send )", ("display", "visibility", "font-size", "opacity", "color",
         "hidden")),
    Rule("markdown_comment", "hidden_command", 2.0,
         rf"\[//\]: ?# ?[(\"'][^\n]{{0,160}}\b(?:ignore|you must|send|tell|{_AI})\b", ("[//]",)),
    Rule("decode_and_do", "encoded_payload", 2.5,
         r"\b(?:decode|decrypt|decipher|unscramble|rot-?13|base ?64|hex|reverse|backwards?|morse)\b"
         r"[^.\n]{0,40}\b(?:and|then)\b[\w ]{0,12}\b(?:follow|execute|obey|run|do (?:it|what|as)|"
         r"comply|act|perform|answer it)", ("decode", "decrypt", "decipher",
         "unscramble", "rot13", "rot-13", "base64", "base 64", r"\bhex", "reverse", "backward",
         "morse")),
)  # fmt: skip


_OPENING = "\"'`“‘«„「『"


@functools.cache
def _sets() -> tuple[tuple[tuple[Rule, ...], PatternSet], ...]:
    return tuple(
        (
            rules,
            PatternSet(
                Pattern(id=r.id, regex=f"(?i){r.regex}", keywords=r.keywords, before=200, after=400)
                for r in rules
            ),
        )
        for rules in (ENGLISH + LATIN, OTHER)
    )


def hits(text: str) -> Hits:
    """Matches in ``text``.

    Raises:
        ContentError: the text holds more candidates than can be looked at.
    """
    (first, ascii_set), (second, other_set) = _sets()
    found = [_hit(first[m.pattern], m.start, m.end, text) for m in ascii_set.scan(text)]
    if not text.isascii():
        found += [_hit(second[m.pattern], m.start, m.end, text) for m in other_set.scan(text)]
    return Hits(found)


def _hit(rule: Rule, start: int, end: int, text: str) -> Hit:
    quoted = start > 1 and text[start - 1] in _OPENING
    return Hit(rule, start, end, rule.points * (MENTION if quoted else 1), quoted)
