import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from productfruits.identity.keys import EmailClaim, email_key, find_email, identifier, without_email

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("ann", "ann"),
        ("  ann\t\n", "ann"),
        ("Ann", "Ann"),
        ("użytkownik-7", "użytkownik-7"),
        ("ann@dev.example", "ann@dev.example"),
        (90210, "90210"),
        (-7, "-7"),
        (90210.0, "90210"),
        (1.5, "1.5"),
        (-2.50, "-2.5"),
        (1e21, "1000000000000000000000"),
        (1e-7, "0.0000001"),
        (12345678901234567890123, "12345678901234567890123"),
        ("00", "00"),
        ("anonymously", "anonymously"),
        ("'ann'", "'ann'"),
    ],
)
def test_it_reads_an_id(value: Any, expected: str) -> None:
    assert identifier(value) == expected


@pytest.mark.parametrize("value", ["", "   ", "\u2003", None, True, False, [], ["ann"], {}, {"id": "ann"}])
def test_it_takes_nothing_for_an_id_that_is_none(value: Any) -> None:
    assert identifier(value) is None


@pytest.mark.parametrize(
    "value",
    [
        *("anonymous", "guest", "distinctid", "distinct_id", "id", "not_authenticated", "email", "undefined"),
        *("true", "false", "ANONYMOUS", "Guest", "Undefined", "TRUE", " undefined "),
        *("[object Object]", "NaN", "None", "none", "null", "0"),
        *("'undefined'", '"null"', "`None`", '""', "' '", "'\"null\"'"),
        *(0, 0.0, -0.0, float("nan"), float("inf")),
    ],
)
def test_a_junk_id_is_no_id(value: Any) -> None:
    assert identifier(value) is None


@pytest.mark.parametrize(
    "value",
    ["a" * 513, "é" * 257, 10**600, 10**10_000],
    ids=["characters", "bytes", "digits", "more digits than Python prints"],
)
def test_what_no_index_can_hold_is_no_id(value: Any) -> None:
    assert identifier(value) is None


@pytest.mark.parametrize("value", ["a" * 512, "é" * 256, 10**400], ids=["characters", "bytes", "digits"])
def test_a_long_id_is_an_id(value: Any) -> None:
    assert identifier(value) == str(value)


@given(JSON)
def test_an_id_of_an_id_is_the_same_id(value: Any) -> None:
    found = identifier(value)

    assert found is None or (identifier(found) == found and found == found.strip() != "")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann@Dev.Example", "ann@dev.example"),
        ("  ann@dev.example\n", "ann@dev.example"),
        ("zoe\u0301@x", "zo\u00e9@x"),
        ("zoe@exÄmple.com", "ZOE@exämple.com"),
        ("straße@x", "STRASSE@x"),
    ],
)
def test_two_spellings_of_one_email_have_one_key(one: str, other: str) -> None:
    assert email_key(one) == email_key(other) is not None


@pytest.mark.parametrize("value", ["ann", "", None, 42, True, ["a@x"], {"a@x": 1}, "a@" + "x" * 511])
def test_what_is_no_email_has_no_key(value: Any) -> None:
    assert email_key(value) is None


@given(st.text().map(lambda text: text + "@"))
def test_a_key_of_a_key_is_the_same_key(text: str) -> None:
    key = email_key(text)

    assert key is None or (email_key(key) == key and key == unicodedata.normalize("NFC", text.strip()).casefold())


ANN = EmailClaim("ann@x", "ann@x")


@pytest.mark.parametrize(
    ("kind", "traits", "context", "expected"),
    [
        pytest.param("identify", {"email": "ann@x"}, {}, EmailClaim("ann@x", "ann@x", False, "email"), id="plain"),
        pytest.param(
            "identify", {"EMail": " Ann@x "}, {}, EmailClaim("Ann@x", "ann@x", False, "EMail"), id="any-casing"
        ),
        pytest.param(
            "identify",
            {"EMAIL": "b@x", "email": "ann@x"},
            {},
            EmailClaim("ann@x", "ann@x", False, "email"),
            id="exact-first",
        ),
        pytest.param(
            "identify",
            {"Email": "ann@x", "EMAIL": "b@x"},
            {},
            EmailClaim("ann@x", "ann@x", False, "Email"),
            id="then-document-order",
        ),
        pytest.param(
            "identify",
            {"email": 42, "Email": "ann@x"},
            {},
            EmailClaim("ann@x", "ann@x", False, "Email"),
            id="one-that-is-none-does-not-count",
        ),
        pytest.param("identify", {"email": None}, {}, EmailClaim(clears=True, trait_key="email"), id="null-clears"),
        pytest.param("identify", {"Email": None}, {}, EmailClaim(clears=True, trait_key="Email"), id="any-null-clears"),
        pytest.param(
            "identify",
            {"email": None},
            {"traits": {"email": "ann@x"}},
            EmailClaim(clears=True, trait_key="email"),
            id="null-outweighs-the-context",
        ),
        pytest.param("identify", {"email": 42}, {}, EmailClaim(), id="not-a-string-is-a-trait"),
        pytest.param("identify", {"email": "ann"}, {}, EmailClaim(), id="no-at-is-a-trait"),
        pytest.param("identify", {"email": ""}, {"traits": {"email": "ann@x"}}, ANN, id="else-the-context"),
        pytest.param("identify", {}, {"traits": {"Email": "ann@x"}}, ANN, id="context-in-any-casing"),
        pytest.param("track", {}, {"traits": {"email": "ann@x"}}, ANN, id="context-of-a-track"),
        pytest.param("track", {"email": "b@x"}, {}, EmailClaim(), id="an-event's-own-is-none"),
        pytest.param("group", {"email": "info@x"}, {}, EmailClaim(), id="a-group's-is-the-group's"),
        pytest.param("group", {"email": "info@x"}, {"traits": {"email": "ann@x"}}, ANN, id="context-of-a-group"),
        pytest.param(
            "identify", {}, {"traits": {"email": None}}, EmailClaim(), id="a-null-in-the-context-says-nothing"
        ),
        pytest.param("track", {}, {"traits": [1]}, EmailClaim(), id="context-traits-of-another-shape"),
        pytest.param("track", {}, {"traits": None, "email": "ann@x"}, EmailClaim(), id="nowhere-else-in-the-context"),
    ],
)
def test_it_finds_the_email_of_a_message(
    kind: str, traits: dict[str, Any], context: dict[str, Any], expected: EmailClaim
) -> None:
    assert find_email(kind, traits, context) == expected


@pytest.mark.parametrize(
    ("traits", "kept"),
    [
        ({"email": "ann@x", "plan": 1}, {"plan": 1}),
        ({"email": None, "plan": 1}, {"plan": 1}),
        ({"email": 42, "plan": 1}, {"email": 42, "plan": 1}),
        ({"email": "ann@x", "Email": "b@x"}, {"Email": "b@x"}),
    ],
)
def test_the_email_is_kept_beside_the_traits(traits: dict[str, Any], kept: dict[str, Any]) -> None:
    assert without_email(traits, find_email("identify", traits, {})) == kept


def test_traits_without_an_email_are_not_copied() -> None:
    traits = {"plan": 1}

    assert without_email(traits, find_email("identify", traits, {})) is traits
