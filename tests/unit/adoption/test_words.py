"""The words of ours in contents."""

import string

from productfruits.adoption import words


def test_every_language_has_every_word_with_its_numbers() -> None:
    english = words.WORDS["en"]
    for language, said in words.WORDS.items():
        assert list(said) == list(english), language
        for name, word in said.items():
            assert word.strip(), (language, name)
            numbers = [field for _, field, *_ in string.Formatter().parse(word) if field is not None]
            assert len(numbers) == english[name].count("{}"), (language, name)


def test_a_region_speaks_its_language_and_the_rest_speaks_english() -> None:
    assert words.of("de-AT")["close"] == "Schließen"
    assert words.of("tlh") == words.of("en")
