"""The few words of a tour or checklist that are not its author's, for buttons of ours and for screen readers."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

#: Language -> name of the word -> the word; {} stands for a number. English has all of them, and so has every other.
WORDS: Mapping[str, Mapping[str, str]] = msgspec.json.decode((Path(__file__).parent / "words.json").read_bytes())


def of(language: str) -> Mapping[str, str]:
    """The words in this language (de-AT: those of de), else the English ones."""
    return WORDS.get(language.partition("-")[0], WORDS["en"])
