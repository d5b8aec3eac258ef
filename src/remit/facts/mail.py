"""The mail fact: who would get a message.

Addresses are read by a strict part of RFC 5322: ``local@domain``, ``Name <local@domain>``,
``"Name" <local@domain>``, several with commas, or a list of those. What mail programs read
differently (quoted local parts, comments, groups, routes, encoded words, line breaks, characters
beyond ASCII in an address) is refused.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from remit.core.text import printable
from remit.facts.base import MAX_VALUES, Environment, FactError, NoOptions, Raw, shape, texts

MAX_MAIL = 16 * 1024
MAX_ADDRESS = 254
MAX_LOCAL = 64

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(
    r"(?P<local>[A-Za-z0-9#$&'*+/=?^_{|}~-]+(?:\.[A-Za-z0-9#$&'*+/=?^_{|}~-]+)*)"
    rf"@(?P<domain>(?:{_LABEL}\.)+(?P<top>{_LABEL}))"
)
_NAME = re.compile(r'"[^"\\@<>,;:]*"|[^"\\@<>,;:()\[\]]*')


class Mail:
    """Extractor ``mail``."""

    name = "mail"
    options = NoOptions
    shape = shape(domains="Set<String>", addresses="Set<String>", count="Long")
    worst: Mapping[str, Raw] = {
        "domains": ("unknown",),
        "addresses": ("unknown",),
        "count": (1 << 63) - 1,
    }

    def extract(
        self, values: Sequence[Any], options: NoOptions, env: Environment
    ) -> Mapping[str, Raw]:
        """Read every address; ``count`` counts repeated ones each time."""
        del options, env
        domains: set[str] = set()
        addresses: set[str] = set()
        count = 0
        for text in texts(values, limit=MAX_MAIL):
            for local, domain in _addresses(text):
                count += 1
                if count > MAX_VALUES:
                    raise FactError(f"more than {MAX_VALUES} addresses", code="facts.size")
                domains.add(domain)
                addresses.add(f"{local}@{domain}")
        return {"domains": domains, "addresses": addresses, "count": count}


def _addresses(text: str) -> Iterator[tuple[str, str]]:
    """(local, domain) of each address, in lower case."""
    if printable(text, len(text)) != text or "\n" in text or "\t" in text:
        raise FactError("the address holds control characters", code="facts.mail")
    if "=?" in text:
        raise FactError("the address holds an encoded word", code="facts.mail")
    if not text.strip(" "):
        return
    # A comma inside of quotes is refused by the pattern, so splitting first loses nothing.
    for part in text.split(","):
        bare = part.strip(" ")
        if bare.endswith(">"):
            name, angle, bare = bare[:-1].rpartition("<")
            if not angle or not _NAME.fullmatch(name.strip(" ")):
                raise FactError("the text is not a plain mail address", code="facts.mail")
        match = _ADDRESS.fullmatch(bare)
        if match is None or match["top"].isdigit():
            raise FactError("the text is not a plain mail address", code="facts.mail")
        if len(bare) > MAX_ADDRESS or len(match["local"]) > MAX_LOCAL:
            raise FactError("the mail address is too long", code="facts.size")
        yield match["local"].lower(), match["domain"].lower()


EXTRACTOR = Mail()
