"""Write the list of words that words without spaces are parted with.

    python -m tools.import_words --symspell DIR --out src/remit/content/data/words.txt

``DIR`` is the unpacked wheel of ``symspellpy`` (MIT): its dictionary of English words has counts from
Google Books Ngrams. The most frequent are written, the commonest first, one a line. Of short words only
a few are taken: with a word for every two letters, any letters are words.
"""

import argparse
from pathlib import Path

NAME = "frequency_dictionary_en_82_765.txt"
MOST, LONGEST, MOST_OF_THREE = 30_000, 16, 350
ONE = frozenset(("a", "i"))
TWO = frozenset(
    ("of", "to", "in", "is", "it", "as", "be", "by", "on", "or", "an", "he", "at", "we", "no", "if",
     "my", "do", "so", "me", "up", "us", "am", "go", "ok", "ai", "id")
)  # fmt: skip


def main() -> None:
    """Write the list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symspell", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    lines = (arguments.symspell / "symspellpy" / NAME).read_text("utf-8-sig").splitlines()
    words = [word for word in (line.split()[0] for line in lines) if _fits(word)]
    three = frozenset([word for word in words if len(word) == 3][MOST_OF_THREE:])
    some = [word for word in words if word not in three]
    arguments.out.write_text("\n".join(some[:MOST]) + "\n", encoding="ascii")


def _fits(word: str) -> bool:
    if not (word.isascii() and word.isalpha() and word.islower()):
        return False
    few = {1: ONE, 2: TWO}.get(len(word))
    return len(word) <= LONGEST and (few is None or word in few)


if __name__ == "__main__":
    main()
