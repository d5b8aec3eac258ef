"""Rules of the PII detector: patterns, and what must hold besides them."""

import re
from collections.abc import Callable

import msgspec

from remit.content import _checks as checks
from remit.content.base import Severity
from remit.content.patterns import Match, Pattern

_BEFORE = 80
_AFTER = 32


Known = dict[tuple[int, str, str], bool]
"""Whether the check of the pattern of this number holds for a value and what is around it."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule.

    Attributes:
        label: of the finding.
        pattern: its group (or the match) is the value.
        check: what must hold of the value; the second argument is the text around it in lower
            case, with the value as ``\\x00``.
        score: thousandths.
        severity: where it does not belong.
    """

    label: str
    pattern: Pattern
    check: Callable[[str, str], bool] = lambda _value, _around: True
    score: int = 900
    severity: Severity = "medium"

    def place(self, text: str, match: Match, known: Known) -> tuple[int, int] | None:
        """The span of the value, or ``None`` if it is none.

        ``known`` holds what other readings of the text gave for the same value in the same place.
        """
        start, end = match.value_start, match.value_end
        before = text[max(0, start - _BEFORE) : start]
        around = f"{before}\x00{text[end : end + _AFTER]}".lower()
        value = text[start:end]
        key = (match.pattern, value, around)
        good = known.get(key)
        if good is None:
            good = known[key] = self.check(value, around)
        return (start, end) if good else None


def _digits(value: str) -> str:
    return "".join(c for c in value if c.isdigit())


def _near(words: str) -> Callable[[str], bool]:
    """Whether one of the words is within reach, in the same sentence or record."""
    regex = re.compile(rf"(?:^|[^a-z])(?:{words})")
    return lambda around: regex.search(around) is not None


_EMAIL_FILE = re.compile(
    r"(?i)\.(?:png|jpe?g|gif|svg|webp|ico|bmp|css|scss|js|mjs|ts|tsx|jsx|py|rb|go|rs|java|html?|json|ya?ml|toml|md|txt|sh|zip|gz|tgz|tar|pdf|mp[34]|woff2?|lock|exe|dll|so|jar|local|localdomain|internal_)$"
)
_REMOTE = re.compile(
    r"(?:://[^\s/@]{0,100}|(?:^|[^a-z])(?:ssh|scp|sftp|rsync|mosh)\s(?:-\S+\s(?:\S+\s)?)*)\x00"
)
_REMOTE_SIGNS = ("://", "ssh", "scp", "sftp", "rsync", "mosh")
_SYSTEM_USERS = frozenset(("git", "hg", "svn", "root", "ubuntu", "ec2-user"))


def _email(value: str, around: str) -> bool:
    local, _, host = value.partition("@")
    if len(local) > 64 or ".." in value or host.startswith((".", "-")):
        return False
    if local.lower() == "git" or _EMAIL_FILE.search(host):
        return False
    if any(s in around for s in _REMOTE_SIGNS) and _REMOTE.search(around):
        return False
    after = around.partition("\x00")[2]
    if local.lower() in _SYSTEM_USERS and after[:1] in {":", "/"}:
        return False
    # `user:password@host` and `pkg:npm/name@host` are addresses of another kind.
    before = around.partition("\x00")[0]
    return not before.endswith(("://", "/@", "npm/", "@"))


_PHONE_WORDS = _near(
    r"tel\b|telef|teléf|phone|mobile|mobil|cell|fax|call|sms|text me|whatsapp|signal|contact|reach|ring|dial|"
    r"hotline|handy|móvil|celular|numero|numéro|\bnumber|office|pager|voicemail|\bext\b|\bph\b|\bcp\b|\bprn\b|mob\b|"
    r"rufnummer|tlf|puh|gsm|\bte\*|tel:|tel="
)
_PHONE_AFTER = re.compile(
    r"\x00\W{0,4}(?:-?\s?)(?:office|fax|mobile|cell|home|work|tel|phone|direct)"
)
_NOT_PHONE = re.compile(
    r"(?:order|invoice|part|serial|sku|isbn|issn|ean|upc|version|build|ticket|tracking|account|amount|total|"
    r"price|batch|model|ref|section|clause|oid|job|run|rev|chapter|timestamp|epoch|lot|catalog|item|product)"
    r"(?:\s?(?:no|number|id|#|num|code)\.?)?\W{0,4}(?:is\W{0,3}|:|=|#)?\W{0,3}\x00"
)


def _phone_international(value: str, around: str) -> bool:
    digits = _digits(value)
    return (
        8 <= len(digits) <= 15
        and not digits.startswith("0")
        and len(set(digits)) > 2
        and not _NOT_PHONE.search(around)
    )


def _phone_american(value: str, around: str) -> bool:
    digits = _digits(value)[-10:]
    if _NOT_PHONE.search(around) or digits[0] in "01" or len(set(digits)) <= 2:
        return False
    if digits[3] in "01":
        return _PHONE_WORDS(around)
    return True


_DATE_LIKE = re.compile(r"\d{4}[-/.]\d\d?[-/.]\d\d?|\d\d?[-/.]\d\d?[-/.]\d{4}|\d{8}")
_IP_LIKE = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")


def _phone_named(value: str, around: str) -> bool:
    digits = _digits(value)
    return (
        7 <= len(digits) <= 15
        and len(set(digits)) > 2
        and not _DATE_LIKE.fullmatch(value)
        and not _IP_LIKE.fullmatch(value)
        and not _NOT_PHONE.search(around)
    )


def _phone_after(value: str, around: str) -> bool:
    return _phone_named(value, around) and _PHONE_AFTER.search(around) is not None


_SSN_WORDS = _near(
    r"ssn|social|soc\.? ?sec|\bss ?#|\bss no|\btin\b|tax ?(?:payer)?[ _-]?id|ref\*sy|sid/us-ssn|itin"
)
_SSN_NOT = re.compile(
    r"(?:part|sku|order|isbn|model|serial|invoice|ticket|item|catalog|product|version|build|po|lot|batch|case|ref\w*|tracking|phone|tel|fax)"
    r"(?:[ _-]?(?:no|number|num|id|code|#))?\.?\W{0,4}(?:is|was)?\W{0,5}\x00"
)


def _ssn(value: str, around: str) -> bool:
    return checks.ssn(_digits(value)) and (_SSN_WORDS(around) or not _SSN_NOT.search(around))


def _ssn_named(value: str, around: str) -> bool:
    digits = _digits(value)
    return _SSN_WORDS(around) and (checks.ssn(digits) or (len(digits) == 9 and checks.itin(digits)))


def _itin(value: str, around: str) -> bool:
    return checks.itin(_digits(value)) and not _SSN_NOT.search(around)


_CARD_WORDS = _near(
    r"card|visa|master ?card|amex|american express|discover|diners|jcb|maestro|\bcc\b|cc[_ -]?(?:num|no)|\bpan\b|"
    r"credit|debit|payment|billing|charge|cvv|cvc|exp(?:iry|ires|iration)?\b|kreditkarte|tarjeta|carte"
)
_CARD_NOT = re.compile(
    r"(?:order|tracking|invoice|ref\w*|rows?|serial|imei|isbn|ean|upc|gtin|account|acct|timestamp|epoch|trace|span|"
    r"request|session|user|build|job|run|ticket|parcel|shipment|container|sku|id|x|y|z|seq\w*|offset|hash|nonce|block|"
    r"transaction|txn|count|total|bytes|size|meter|device|number of \w+|uid|pid|tid|seed|index|batch|lot|barcode|code|snowflake|msg|message|event|tweet|status)"
    r"(?:[ _-]?(?:no|number|num|id|#|code))?\.?[\"']?\s{0,2}(?:is|was|:|=|#)?\W{0,3}\x00"
)
_GROUPED = re.compile(
    r"\d+|\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{4,5}|\d{4}([ -])\d{4}\3\d{5}"
)


def _card(value: str, around: str) -> bool:
    digits = _digits(value)
    if not _GROUPED.fullmatch(value) or not checks.luhn(digits) or len(set(digits)) < 2:
        return False
    if _CARD_WORDS(around):
        return True
    before, _, after = around.partition("\x00")
    if before[-1:] in {".", "-", "_", "/", "+", "$", "€"} or re.match(r"[._/-]\w", after):
        return False
    return checks.card(digits) and not _CARD_NOT.search(around)


def _card_named(value: str, around: str) -> bool:
    return _CARD_WORDS(around) and checks.luhn(_digits(value)) and len(set(value)) > 1


_VERSION_WORDS = re.compile(
    r"(?:\bv|version|release|build|rev(?:ision)?|firmware|driver|kernel|==|>=|<=|~=|\^|oid|section|chapter|§|update|upgrade|sdk|package|assembly\w*|fileversion|chrome/|safari/|edg/|firefox/)"
    r"[\"']?\W{0,4}(?:is |to |from )?\W{0,2}\x00"
)
_CLIENT_WORDS = _near(
    r"client|login|logged|remote|visitor|user|x-forwarded|x-real-ip|customer|patient|employee|subscriber"
)
_HOST_WORDS = _near(
    r"ip\b|ip[_-]?addr|addr|host|from|login|client|server|https?:|ping|connect|remote|proxy|dns|gateway|peer|forwarded"
)
# Four small figures are a version more often than an address.
_SMALL_OCTET = 30
_RESOLVERS = frozenset(
    ("8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "1.2.3.4", "208.67.222.222")
)


def _ip(value: str, around: str) -> bool:
    found = checks.address(value)
    if found is None or value in _RESOLVERS:
        return False
    before, _, after = around.partition("\x00")
    if (before[-1:] in {".", "-", "_", "/"} and not before.endswith("//")) or re.match(
        r"\.\d|/\d|-\w|_", after
    ):
        return False
    if _VERSION_WORDS.search(around):
        return False
    if found.is_loopback or found.is_unspecified or found.is_multicast or found.is_link_local:
        return False
    if found.version == 4 and (int(found) >> 24 in {0, 255} or int(found) >= 0xF0000000):
        return False
    if found.version == 4 and max(found.packed) <= _SMALL_OCTET and not _HOST_WORDS(around):
        return False
    documentation = value.startswith(("192.0.2.", "198.51.100.", "203.0.113.", "2001:db8"))
    return not found.is_private or documentation or _CLIENT_WORDS(around)


def _ip6(value: str, around: str) -> bool:
    return (
        value.count(":") >= 2
        and ("::" in value or value.count(":") == 7)
        and len(value) > 6
        and _ip(value, around)
    )


def _iban(value: str, around: str) -> bool:
    del around
    return checks.iban(value) != ""


class _Iban(Rule, frozen=True, kw_only=True):
    """An IBAN ends where its country's length says, not where the letters do."""

    def place(self, text: str, match: Match, known: Known) -> tuple[int, int] | None:
        del known
        start, end = match.value_start, match.value_end
        bare = checks.iban(text[start:end])
        if not bare:
            return None
        left = len(bare)
        for place in range(start, end):
            left -= text[place] not in " -\u00a0"
            if not left:
                after = text[place + 1 : place + 2]
                return (
                    None
                    if after.isalnum() and text[place + 1 : end].isalnum()
                    else (start, place + 1)
                )
        return None


_NPI_WORDS = _near(
    r"npi|national provider|provider|prescrib|rendering|referring|attending|physician|us-npi|\*xx\*|dr\."
)
_DEA_WORDS = _near(
    r"dea\b|dea[_ -]?(?:no|num|reg|#|id)|prescrib|controlled|registration|registrant"
)
_ICD_WORDS = _near(
    r"dx|diag|icd|assess|admit|patient|history|problem|condition|hcc|\bhi\*|dg1|claim|encounter|disease|medical|"
    r"clinical|symptom|treat|coded|comorbid|pmh|impression|chief|presenting|\babk|\babf|chart|discharge|complain|rx\b|hospital"
)


def _npi(value: str, around: str) -> bool:
    return checks.npi(_digits(value)) and _NPI_WORDS(around)


def _dea(value: str, around: str) -> bool:
    return checks.dea(value.upper().replace("-", "")) and (_DEA_WORDS(around) or "dr" in around)


def _icd(value: str, around: str) -> bool:
    del value
    return _ICD_WORDS(around)


def _has_digits(count: int) -> Callable[[str, str], bool]:
    return lambda value, _around: sum(c.isdigit() for c in value) >= count


_DATED = re.compile(r"\d{4}[-/.]\d\d?[-/.]\d\d?|\d\d?[-/.]\d\d?[-/.]\d{4}")


def _mrn(value: str, around: str) -> bool:
    del around
    return sum(c.isdigit() for c in value) >= 4 and not _DATED.fullmatch(value.strip())


def _birth(value: str, around: str) -> bool:
    del around
    return checks.birth_date(value)


def _checked(check: Callable[[str], bool], words: str = "") -> Callable[[str, str], bool]:
    near = _near(words) if words else None
    return lambda value, around: (near is None or near(around)) and check(value)


def _digits_checked(check: Callable[[str], bool], words: str = "") -> Callable[[str, str], bool]:
    return _checked(lambda v: check(_digits(v)), words)


def _named(names: str, value: str, *, gap: str = r"[\s\"'\x60:=#|,.(>\[\]*-]{0,8}") -> str:
    """A value behind one of the names: prose, JSON, XML, HL7 fields, tables, command lines."""
    return (
        rf"(?i)(?:^|[^A-Za-z])(?:{names})(?:[ _.-]?(?:numbers?|no\b|num|nr|id|identifier|code|value|#))?"
        rf"\.?(?:\s?\([A-Za-z ]{{1,24}}\))?{gap}(?:(?:is|was|of|are|as|for \w+ is|ending in|reads?|to|on)\b[\s:\"'#]{{1,3}})?"
        rf"(?:\{{?\s{{0,4}}\"?value\"?[\s\"':=>]{{1,6}})?({value})(?:[^A-Za-z0-9]|$)"
    )


def _rule(
    label: str, name: str, regex: str, *keywords: str,
    check: Callable[[str, str], bool] | None = None, score: int = 900,
    severity: Severity = "medium", before: int = 64, after: int = 200, group: int | None = None,
) -> Rule:  # fmt: skip
    pattern = Pattern(
        id=name, regex=regex, keywords=keywords, before=before, after=after, group=group,
        together=True,
    )  # fmt: skip
    kind = _Iban if label == "IBAN_CODE" else Rule
    if check is None:
        return kind(label=label, pattern=pattern, score=score, severity=severity)
    return kind(label=label, pattern=pattern, score=score, severity=severity, check=check)


_DATE = (
    r"\d{1,2}[/.-]\d{1,2}[/.-](?:19|20)?\d{2}|(?:19|20)\d{2}[/.-]\d{1,2}[/.-]\d{1,2}|(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
    r"|\d{1,2}(?:st|nd|rd|th|\.)?[ -](?:of )?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?,?[ -](?:19|20)?\d{2}"
    r"|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?[ -]\d{1,2}(?:st|nd|rd|th)?,?[ -](?:19|20)\d{2}"
)
_MRN_VALUE = r"#?\s?[A-Z]{0,5}[-:_ ]?\d{2,14}(?:[-.]\d{1,6}){0,3}"
_MEMBER_VALUE = (
    r"[A-Z]{0,5}[- ]?\d[A-Z0-9]{2,14}(?:-[A-Z0-9]{1,6}){0,3}|[A-Z0-9]{2,5}(?:-[A-Z0-9]{2,6}){1,3}"
)
_ICD_VALUE = r"[A-TV-Z]\d[0-9AB](?:\.[0-9A-TV-Z]{1,4})?"

RULES: tuple[Rule, ...] = (
    _rule("EMAIL_ADDRESS", "email", r"([\pL\pN._%+'-]+@[\pL\pN.-]+\.\pL{2,24})\b",
          "@", check=_email, score=950, before=260, after=260),
    _rule("EMAIL_ADDRESS", "email-spelt",
          r"(?i)\b([a-z0-9._-]{1,40}\s?[\[({]\s?at\s?[\])}]\s?[a-z0-9-]{1,40}(?:\s?(?:[\[({]\s?dot\s?[\])}]|\.)\s?[a-z]{2,24}){1,3})\b",
          "at]", "at)", "at}", "at ]", "at )"),
    _rule("PHONE_NUMBER", "phone-international",
          r"(?:^|[^\w+.])(\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){1,4})(?:[^\d]|$)",
          "+", check=_phone_international, before=4, after=40),
    _rule("PHONE_NUMBER", "phone-american",
          r"(?:^|[^\w.+-])((?:\+?1[ .-]?)?(?:\(\d{3}\) ?|\d{3}[-.])\d{3}[-. ]\d{4})(?:\s?(?:x|ext\.?)\s?\d{1,5})?(?:[^\w.-]|[.-](?:\D|$)|$)",
          check=_phone_american),
    _rule("PHONE_NUMBER", "phone-named",
          r"(?i)(?:tel(?:e(?:phone|fon|fono|f))?|phone|mobile?|cell(?:ular)?|celular|fax|(?:\b|_)call|sms|text (?:me|us|him|her|them)|text(?: message)? to|whatsapp|signal|contact|(?:\b|_)reach|(?:\b|_)ring|dial|hotline|handy|m[oó]vil|pager|mob|rufnummer|tlf|gsm|\bph|PRN|PRS|ORN|WPN|TE\*|CP\*|HP\*)[a-z_]{0,14}[\"')\]]{0,2}(?:[ _-]?(?:number|no|num|nr|#))?(?:\.?\s?\([A-Za-z ]{1,16}\))?[\s:=\"'#>|,.^*-]{1,8}(?:(?:(?:me|us|him|her|them|at|on|is|was|to|or|the|my|our|number|now|back|back at|value|PH|CP|CELL)\b|\"value\")[\s\"':=#^|]{1,5}){0,3}((?:\+|00)?\(?\d[\d ().\x2f-]{5,20}\d)(?:[^\w]|$)",
          "tel", "phone", "mobil", "cell", "fax", "celular", r"\bcall", "_call", "sms", "text me", "text us", "text h", "text them", "text to", "text message", "whatsapp", "signal", "contact", r"\breach", "_reach", r"\bring", "_ring", "dial", "hotline", "handy", "movil", "óvil", "ÓVIL", "pager", "mob", "rufnummer", "tlf", "gsm", "ph:", "ph ", "PRN", "PRS", "ORN", "WPN", "TE*", "CP*", "HP*",
          check=_phone_named, score=850, after=160),
    _rule("PHONE_NUMBER", "phone-before-name",
          r"(?i)(?:^|[^\w.])((?:\+|00)?\(?\d[\d ().\x2f-]{5,20}\d)[ \t,;-]{1,4}(?:\(|-)?(?:office|fax|mobile|cell|home|work|tel|phone|direct)\b",
          check=_phone_after, score=800),
    _rule("US_SSN", "ssn", r"(?:^|[^\w-])(\d{3}-\d{2}-\d{4})(?:[^\w-]|-\D|$)", check=_ssn, severity="high"),
    _rule("US_SSN", "ssn-named",
          r"(?i)(?:ssn|social|soc\.? sec|\bss ?#|\bss no|tax|\bitin|\btin|ref\*sy)[^\d\n]{0,48}(\d{3}[- .]?\d{2}[- .]?\d{4})(?:[^\w]|$)",
          "ssn", "social", "soc sec", "soc. sec", r"\bss#", r"\bss #", r"\bss no", "tax", r"\bitin", r"\btin", "REF*SY", check=_ssn_named, severity="high"),
    _rule("US_ITIN", "itin", r"(?:^|[^\w-])(9\d{2}-\d{2}-\d{4})(?:[^\w-]|$)", check=_itin, severity="high"),
    _rule("CREDIT_CARD", "card", r"(?:^|[^\w.])(\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{1,7}|\d{4}[ -]?\d{6}[ -]?\d{4,5})(?:[^\w]|$)",
          check=_card, score=950, severity="high"),
    _rule("CREDIT_CARD", "card-named", r"(?i)(?:card|\bcc|\bpan\b|visa|amex)[^\d\n]{0,40}(\d{12,19})(?:[^\w]|$)",
          "card", r"\bcc", r"\bpan", "visa", "amex", check=_card_named, severity="high"),
    _rule("IBAN_CODE", "iban", r"(?i)\b([A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,4})?)\b",
          score=980, severity="high"),
    _rule("IP_ADDRESS", "ipv4", r"(?:^|[^\w.])((?:\d{1,3}\.){3}\d{1,3})(?:[^\w]|$)", check=_ip, score=850, severity="low"),
    _rule("IP_ADDRESS", "ipv6", r"(?i)(?:^|[^\w:.])((?:[0-9a-f]{1,4}:){2,7}(?::[0-9a-f]{1,4}|[0-9a-f]{1,4}|:)(?::[0-9a-f]{1,4}){0,6})(?:[^\w:]|$)", check=_ip6, score=850, severity="low"),
    _rule("MRN", "mrn-named",
          _named(r"mrn|emrn|m\.r\.n|med(?:ical)?[ _.-]?rec(?:ord)?s?|patient[ _.-]?(?:id|number|no|num|record|identifier|mrn)|pat[ _.-]?id|chart|hospital[ _.-]?(?:number|no|id)|health[ _.-]?record|unit[ _.-]?(?:number|no)|case[ _.-]?record|record[ _.-]?(?:number|no|num|#)|ref\*ea\*", _MRN_VALUE),
          "mrn", "m.r.n", "record", "medrec", "med rec", "medical rec", "patient", "pat id", "pat_id", "pat-id", "pat.id", "patid", "chart", "hospital", "unit n", "unit_n", "unit-n", "ref*ea", check=_mrn),
    _rule("MRN", "mrn-hl7", r"\bPID\|[^|\n\r]{0,12}\|[^|\n\r]{0,60}\|([A-Za-z]{0,4}[ -]?#?[A-Za-z]{0,3}\d{2,14}(?:[-.]\d{1,6}){0,3})(?:\^|\||~)", "PID|", check=_mrn, score=950),
    _rule("MRN", "mrn-fhir", r"(?i)(?:\"code\"\s*:\s*\"MR\"|mrn|medical-?record)[^\n]{0,30}?[\s\S]{0,260}?\"value\"\s*:\s*\"([A-Z]{0,4}-?\d{2,14}(?:[-.]\d{1,6}){0,3})\"",
          '"mr"', "mrn", "medical", check=_mrn, after=420),
    _rule("NPI", "npi", r"(?:^|[^\w.])([12]\d{9})(?:[^\w]|$)", check=_npi, score=950),
    _rule("NPI", "npi-hl7", r"\bPV1(?:\|[^|\n\r]*){6,9}\|([12]\d{9})\^", "PV1|", check=_digits_checked(checks.npi), after=600, score=960),
    _rule("MEMBER_ID", "member-hl7", r"\bIN1(?:\|[^|\n\r]*){35}\|([A-Z0-9-]{5,20})(?:\||\^|\s|$)", "IN1|", check=_has_digits(4), after=1200),
    _rule("DEA", "dea", r"(?i)\b([ABCDEFGHJKLMPRSTUX][A-Z9]-?\d{7})\b", check=_dea, score=950),
    _rule("MBI", "mbi",
          r"(?i)\b([1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-?[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-?[AC-HJKMNP-RT-Y]{2}\d{2})\b",
          score=930, severity="high"),
    _rule("MEMBER_ID", "member-named",
          _named(r"(?:member|subscriber|policy|insurance|insured|beneficiary|medicaid|health[ _-]?plan|plan[ _-]?member|enrollee|policyholder|group[ _-]?policy|card[ _-]?holder)s?(?:[ _-]?(?:member|policy|id|insurance))?|nm1\*il\*[^~\n]{0,80}\*mi\*|\*mi\*|hicn", _MEMBER_VALUE),
          "member", "subscriber", "polic", "insur", "benefici", "medicaid", "plan id", "plan_id", "plan-id", "plan num", "plan no", "plan member", "health plan", "health_plan", "enrollee", "*mi*", "hicn", "cardholder", "card holder",
          check=_has_digits(4), score=860),
    _rule("US_PASSPORT", "passport-named",
          _named(r"passports?(?:[ _-]?(?:book|card))?|pasaporte|reisepass(?:nummer)?|passeport", r"[A-Z]{0,2}\d{6,9}[A-Z]?"),
          "passport", "pasaporte", "reisepass", "passeport", check=_has_digits(6), severity="high"),
    _rule("ICD10", "icd-dotted", r"(?:^|[^\w.])([A-TV-Z]\d[0-9AB]\.[0-9A-TV-Z]{1,4})(?:[^\w]|$)", check=_icd, severity="high"),
    _rule("ICD10", "icd-named",
          _named(r"dx|(?:admitted|diagnosed|treated|presents?|presented|presenting|suffers?|coded)(?: with| for| as| from)|diag(?:nos[ei]s|nostic)?|icd(?:-?10)?(?:-?(?:cm|pcs))?|(?:primary|secondary|admitting|principal)[ _-]?(?:dx|diagnosis)|hi\*[a-z]{2,3}:|\b(?:abk|abf|abj)|dg1\|\d*\|[^|\n]{0,12}|icd-10(?:-cm)?\"[\s,]{0,8}\"code", r"[A-TV-Z]\d[0-9AB](?:\.?[0-9A-TV-Z]{1,4})?"),
          "dx", "diag", "icd", "admitted ", "treated ", "present with", "present for", "present as", "present from", "presents ", "presented ", "presenting ", "suffer", "coded ", "hi*", "abk", "abf", "abj", "dg1", score=880, severity="high"),
    _rule("DATE_TIME", "birth-named",
          r"(?i)(?:^|[^A-Za-z])(?:dob|d\.o\.b|(?:date|day|year)[ _-]?of[ _-]?birth|birth[ _-]?(?:date|day)|date_birth|born|geb(?:oren|urtsdatum)?|\bn[ée]e?|nacimiento|naissance|dmg\*d8)[a-z]{0,3}[\"')\]]{0,2}[\s:=\"'#>|,.*(-]{0,8}(?:(?:is|was|on|it's|its|it is|am|the|in|my|your|el|le|of|am)\b[\s:\"'.,]{1,3}){0,4}(" + _DATE + r")(?:[^\w]|T|$)",
          "dob", "d.o.b", "birth", "born", "geb", r"\bné", r"\bnee", "nacimiento", "naissance", "dmg*", check=_birth, score=880),
    _rule("DATE_TIME", "birth-hl7", r"\bPID(?:\|[^|\n\r]*){6}\|((?:19|20)\d{6}|\d{1,2}/\d{1,2}/(?:19|20)\d{2}|(?:19|20)\d{2}-\d\d-\d\d)(?:\d{4,6})?\|", "PID|", check=_birth, after=900),
    _rule("US_DRIVER_LICENSE", "license-named",
          _named(r"driver'?s?[ _-]?licen[cs]e|driving[ _-]?licen[cs]e|dl|licen[cs]e[ _-]?(?:number|no)", r"[A-Z]{0,3}[ -]?\d{5,14}(?:-\d{2,5}){0,3}|[A-Z]\d{3}-\d{4}-\d{4}"),
          "driver", "driving", "dl ", "dl:", "dl#", "licensen", "license n", "license_n", "license-n", "licencen", "licence n", "licence_n", "licence-n", check=_has_digits(5), score=800),
    _rule("US_BANK_NUMBER", "routing-named", _named(r"routing|aba|rtn", r"\d{9}"), "routing", r"\baba", "_aba", "rtn", check=_digits_checked(checks.aba)),
    _rule("US_BANK_NUMBER", "account-named", _named(r"(?:bank|checking|savings|acct|account)[ _-]?(?:account|acct)?[ _-]?(?:number|no|num|#)", r"\d{8,17}"),
          "bank", "checking", "savings", "acct", "account", check=_checked(lambda _v: True, r"bank|checking|savings|routing|deposit|wire|iban|swift|payee|payroll"), score=800),
    _rule("UK_NHS", "nhs", r"(?i)nhs[^\d\n]{0,30}(\d{3}[ -]?\d{3}[ -]?\d{4})(?:[^\w]|$)", "nhs", check=_digits_checked(checks.nhs)),
    _rule("UK_NINO", "nino", r"\b([A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D])\b", check=_checked(lambda v: v[:2] not in {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"}, r"nino|\bni\b|national ins|insurance|hmrc|tax|payroll|employee")),
    _rule("CA_SIN", "sin", r"(?i)(?:\bsin\b|social insurance)[^\d\n]{0,30}(\d{3}[ -]?\d{3}[ -]?\d{3})(?:[^\w]|$)", r"\bsin", "social insurance", check=_digits_checked(checks.luhn), severity="high"),
    _rule("AU_TFN", "tfn", r"(?i)(?:tfn|tax file)[^\d\n]{0,30}(\d{3}[ -]?\d{3}[ -]?\d{3})(?:[^\w]|$)", "tfn", "tax file", check=_digits_checked(checks.tfn)),
    _rule("AU_MEDICARE", "au-medicare", r"(?i)medicare[^\d\n]{0,30}(\d{4}[ -]?\d{5}[ -]?\d)(?:[^\w]|$)", "medicare", check=_digits_checked(checks.au_medicare)),
    _rule("DE_TAX_ID", "steuer-id", r"(?i)(?:steuer|idnr|tin\b|tax)[^\d\n]{0,40}(\d{2} ?\d{3} ?\d{3} ?\d{3})(?:[^\w]|$)", "steuer", "idnr", "tin ", "tin:", "tin=", "tin_", "tin#", 'tin"', "tin)", "tax", check=_digits_checked(checks.steuer_id)),
    _rule("FR_NIR", "nir", r"(?:^|[^\w])([12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2})(?:[^\w]|$)", check=_checked(checks.nir), score=940),
    _rule("IT_FISCAL_CODE", "codice-fiscale", r"(?i)\b([A-Z]{6}\d{2}[ABCDEHLMPRST]\d{2}[A-Z]\d{3}[A-Z])\b", check=_checked(checks.italy), score=970),
    _rule("ES_NIF", "dni", r"(?:^|[^\w-])((?:\d{8}|[XYZ]\d{7})[ -]?[A-HJ-NP-TV-Z])(?:[^\w-]|$)", check=_checked(checks.spain, r"dni|nif|nie\b|identidad|documento|cédula|spain|españ|fiscal"), score=930),
    _rule("NL_BSN", "bsn", r"(?i)(?:bsn|burgerservice|sofi)[^\d\n]{0,30}(\d{4}[. ]?\d{2}[. ]?\d{3}|\d{9})(?:[^\w]|$)", "bsn", "burgerservice", "sofi", check=_digits_checked(checks.bsn)),
    _rule("PL_PESEL", "pesel", r"(?i)pesel[^\d\n]{0,30}(\d{11})(?:[^\w]|$)", "pesel", check=_digits_checked(checks.pesel)),
    _rule("SE_PERSONNUMMER", "personnummer", r"(?:^|[^\w-])((?:19|20)?\d{2}(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])[-+]\d{4})(?:[^\w-]|$)", check=_checked(lambda v: checks.luhn(_digits(v)[-10:]), r"person|pnr|swed|svensk|kund|patient")),
    _rule("FI_PERSONAL_IDENTITY_CODE", "hetu", r"\b((?:[0-2]\d|3[01])(?:0[1-9]|1[0-2])\d{2}[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y])\b", check=_checked(checks.hetu), score=950),
    _rule("IN_AADHAAR", "aadhaar", r"(?:^|[^\w-])([2-9]\d{3}[ -]?\d{4}[ -]?\d{4})(?:[^\w-]| \D|$)", check=_digits_checked(checks.aadhaar, r"aadha+r|uidai|\buid\b")),
    _rule("IN_PAN", "pan", r"\b([A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z])\b", check=_checked(lambda _v: True, r"pan\b|permanent account|income tax|\bpan")),
    _rule("BR_CPF", "cpf", r"(?:^|[^\w.])(\d{3}\.\d{3}\.\d{3}-\d{2})(?:[^\w]|$)", check=_digits_checked(checks.cpf), score=970),
    _rule("BR_CPF", "cpf-named", r"(?i)cpf[^\d\n]{0,24}(\d{11})(?:[^\w]|$)", "cpf", check=_digits_checked(checks.cpf)),
    _rule("SG_NRIC_FIN", "nric", r"\b([STFGM]\d{7}[A-Z])\b", check=_checked(checks.nric), score=930),
    _rule("CN_RESIDENT_ID", "resident-id", r"(?:^|[^\w])([1-9]\d{5}(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx])(?:[^\w]|$)", check=_checked(checks.china), score=970),
    _rule("KR_RRN", "rrn", r"(?:^|[^\w-])(\d{2}(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])-[1-8]\d{6})(?:[^\w-]|$)", check=_digits_checked(checks.rrn), score=950),
    _rule("MX_CURP", "curp", r"\b([A-Z][AEIOUX][A-Z]{2}\d{2}(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])[HMX][A-Z]{2}[B-DF-HJ-NP-TV-Z]{3}[A-Z0-9]\d)\b", score=970),
)  # fmt: skip
