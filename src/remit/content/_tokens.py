"""Tokens of a text: the values in it that mean something whole, in a form that can be compared."""

import functools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import msgspec

from remit.core.text import normal

Type = Literal["url", "email", "iban", "path", "number", "quoted", "word"]

MAX_VALUE = 512

_URL = re.compile(
    r"(?i)\b[a-z][a-z0-9+.-]{1,15}://[^\s\"'<>`\u201c\u201d]{1,2000}"
    r"|\bwww\.[^\s\"'<>`\u201c\u201d]{3,500}"
)
_HOST = re.compile(
    r"(?i)(?<![@\w.-])(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24}(?![\w@-])(?:/[^\s\"'<>`\u201c\u201d]{0,500})?"
)
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b")
_PATH = re.compile(
    r"(?<![\w:/])(?:~|\.{0,2})/[^\s\"'<>`:;,|]{1,400}|\b[A-Za-z]:\\[^\s\"'<>`|]{1,400}"
)
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,_' ]{0,30}(?:\.\d{1,12})?(?![\w])")
_QUOTED = re.compile(
    "\"([^\"\n]{1,400})\"|'([^'\n]{2,400})'(?!\\w)|\u201c([^\u201d\n]{1,400})\u201d|`([^`\n]{1,400})`"
)
_WORD = re.compile(r"[\w#@+-]+(?:[.'][\w-]+)*")
# "see www.example.com.They have": the sentence goes on without a space.
_NO_SPACE = re.compile(r"([^/?#]{1,250}\.[a-z]{2,24})\.[A-Z][a-z]{0,40}")
_PLACE = re.compile(
    r"(?i)\b(?!(?:the|a|an|my|our|your|his|her|its|their|this|that|these|each|every|any|all|other|same"
    r"|first|last|next|new|old|web|shared|main|right|following|own)\b)([\w#.-]{3,60})\s+"
    r"(?:channel|folder|file|document|project|repository|repo|list|board|calendar|group|team|page"
    r"|site|website|database|table)\b"
)
_SHORT = 16_384
_CAPITAL = re.compile(r"(?<=[^\s.!?:])\s+((?:[A-Z][\w-]{1,40})(?: [A-Z][\w-]{1,40}){0,3})")
_END = ".,;:!?)]}>*"


class Token(msgspec.Struct, frozen=True):
    """One value.

    Attributes:
        type: what it looks like.
        text: its normal form; equal forms mean the same value.
    """

    type: Type
    text: str


def words(text: str) -> Sequence[str]:
    """The whole words of ``text``, folded, in order."""
    return _words_again(text) if len(text) <= _SHORT else _words(text)


def _words(text: str) -> tuple[str, ...]:
    return tuple(w.strip("#@+-.'_") or w for w in _WORD.findall(fold(text)))


# An argument is looked at from several sides in a row.
_words_again = functools.lru_cache(32)(_words)


def fold(text: str) -> str:
    """NFKC and lower case, format characters dropped."""
    # Not `casefold`: it makes one host of two (`ß` and `ss`).
    return plain(text).lower()


def plain(text: str) -> str:
    """NFKC, format characters dropped: nobody sees them, and they would cut a value in two."""
    if text.isascii():
        return text
    return "".join([c for c in normal("NFKC", text) if unicodedata.category(c) != "Cf"])


def typed(text: str) -> Iterable[Token]:
    """Values with a form of their own. Addresses are found inside other values too."""
    return _typed_again(text) if len(text) <= _SHORT else _typed(text)


@functools.lru_cache(32)
def _typed_again(text: str) -> tuple[Token, ...]:
    return tuple(_typed(text))


def _typed(text: str) -> Iterator[Token]:
    text = plain(text)
    for match in _URL.finditer(text):
        yield Token("url", url_form(match[0]))
        alone = _NO_SPACE.fullmatch(match[0])
        if alone is not None:
            yield Token("url", url_form(alone[1]))
    for match in _EMAIL.finditer(text):
        yield Token("email", fold(match[0]).rstrip(_END))
    for match in _HOST.finditer(text):
        yield Token("url", url_form(match[0]))
    for match in _IBAN.finditer(text):
        yield Token("iban", match[0].replace(" ", "").lower())
    for match in _PATH.finditer(text):
        yield Token("path", path_form(match[0]))
    for match in _NUMBER.finditer(text):
        yield Token("number", number_form(match[0]))


def addresses(text: str) -> tuple[list[Token], str]:
    """The addresses in a destination, and what is left of it without them."""
    found: list[Token] = []
    for pattern, kind in ((_URL, "url"), (_EMAIL, "email"), (_HOST, "url"), (_IBAN, "iban")):
        for match in pattern.finditer(text):
            found += (t for t in typed(match[0]) if t.type == kind)
        text = pattern.sub(" ", text)
    return list(dict.fromkeys(found)), text


def proper(text: str) -> Iterator[str]:
    """Folded forms of what a text calls by its name.

    Addresses, paths and numbers, what stands in quotation marks, words with a capital letter that
    do not begin a sentence, and what stands before a word such as "channel".
    """
    for match in _PLACE.finditer(text):
        yield from words(match[1])
    for token in (*typed(text), *quoted(text)):
        yield token.text
    for match in _CAPITAL.finditer(text):
        yield " ".join(words(match[1]))
        for word in match[1].split():
            yield " ".join(words(word))


def quoted(text: str) -> Iterator[Token]:
    """What stands in quotation marks."""
    for match in _QUOTED.finditer(text):
        yield Token("quoted", " ".join(words(next(g for g in match.groups() if g))))


def url_form(url: str) -> str:
    """Without scheme, ``www.``, a slash or punctuation at the end; host in lower case."""
    bare = normal("NFKC", url).rstrip(_END)
    rest = bare.partition("://")[2] or bare
    # What comes first ends the host, before anybody looks for a user (WHATWG URL, RFC 3986 §3.2).
    authority = re.split(r"[/\\?#]", rest, maxsplit=1)[0]
    tail = rest[len(authority) :].replace("\\", "/")
    host = authority.rpartition("@")[2].lower().removeprefix("www.").rstrip(".")
    return f"{host}/{tail}".rstrip("/") if tail[:1] in {"?", "#"} else f"{host}{tail}".rstrip("/")


def host_of(form: str) -> str:
    """The host in a normal form of a URL, without its port."""
    return re.split(r"[/?#:]", form, maxsplit=1)[0]


def path_form(path: str) -> str:
    """Forward slashes, nothing at the end."""
    return path.replace("\\", "/").rstrip(_END + "/")


def number_form(number: str) -> str:
    """Digits without groups, signs of plus and zeros that say nothing."""
    bare = re.sub(r"[,_' ]", "", number).lstrip("+")
    return bare.rstrip("0").rstrip(".") if "." in bare else bare
