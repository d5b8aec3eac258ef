"""Words cut into the pieces that an encoder knows, as BERT's uncased models cut them.

Text is decomposed and loses accents and case; words end at white space, punctuation and around each
ideograph; a word is cut into the longest known pieces from the left, and is one unknown piece where
that fails (Devlin et al., NAACL 2019; Wu et al., arXiv 1609.08144, section 4.1).
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

UNKNOWN, START, END = "[UNK]", "[CLS]", "[SEP]"
LONGEST = 100
"""Characters of a word; longer ones are unknown."""
_IDEOGRAPH = re.compile(
    r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002ceaf"
    r"\U0002f800-\U0002fa1f]"
)
_ASCII_MARK = re.compile(r"[!-/:-@\[-`{-~]")


class Pieces:
    """A vocabulary.

    Args:
        numbers: the number of each piece; what continues a word begins with ``##``.
    """

    def __init__(self, numbers: Mapping[str, int]) -> None:
        self._numbers = numbers
        self.start, self.end = numbers[START], numbers[END]
        self._unknown = numbers[UNKNOWN]
        self._cut = lru_cache(maxsize=8192)(self._cut_word)

    def numbers(self, text: str, most: int) -> list[int]:
        """The first ``most`` pieces of a text."""
        found: list[int] = []
        for word in words(text):
            found += self._cut(word)
            if len(found) >= most:
                break
        return found[:most]

    def _cut_word(self, word: str) -> tuple[int, ...]:
        if len(word) > LONGEST:
            return (self._unknown,)
        found, at = [], 0
        while at < len(word):
            for end in range(len(word), at, -1):
                number = self._numbers.get(("##" if at else "") + word[at:end])
                if number is not None:
                    found.append(number)
                    at = end
                    break
            else:
                return (self._unknown,)
        return tuple(found)


def words(text: str) -> list[str]:
    """Words, marks of punctuation and ideographs of a text, in lower case and without accents."""
    return "".join(map(_as_read, unicodedata.normalize("NFD", text))).lower().split()


@lru_cache(maxsize=4096)
def _as_read(character: str) -> str:
    category = unicodedata.category(character)
    if character in "\t\n\r":
        return " "
    if category in {"Mn", "Cc", "Cf", "Co"} or character == "\ufffd":
        return ""
    if category[0] == "P" or _ASCII_MARK.match(character) or _IDEOGRAPH.match(character):
        return f" {character} "
    return character
