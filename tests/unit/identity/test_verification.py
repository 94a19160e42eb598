import datetime as dt
import subprocess
from typing import Any

import pytest

from productfruits.config import PACKAGE
from productfruits.identity.verification import Proof, Verdict, sign, verify

NOW = dt.datetime(2026, 11, 25, tzinfo=dt.UTC)
SOON = int(NOW.timestamp()) + 60
SECRETS = (b"idv_new", b"idv_old")


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("expiration", [None, SOON])
def test_a_hash_of_any_live_secret_verifies(secret: bytes, expiration: int | None) -> None:
    given = sign(secret, "ada", expiration)
    text = None if expiration is None else str(expiration)
    assert verify("ada", given, text, secrets=SECRETS, now=NOW).verdict is Verdict.VERIFIED
    assert verify("ada", given.upper(), text, secrets=SECRETS, now=NOW).verdict is Verdict.VERIFIED


def test_which_secret_fits_is_known() -> None:
    assert verify("ada", sign(b"idv_old", "ada"), None, secrets=SECRETS, now=NOW) == Proof(Verdict.VERIFIED, 1)


def test_the_documented_example() -> None:
    # printf %s user-1042 | openssl dgst -sha256 -hmac idv_example
    assert sign(b"idv_example", "user-1042") == "11a927e2172098298ece9d8d1e8a1899288b95ffb898d8795bf907e2cf71f627"


@pytest.mark.parametrize(
    ("username", "given", "expiration", "verdict"),
    [
        pytest.param("ada", None, None, Verdict.MISSING, id="none"),
        pytest.param("ada", "", None, Verdict.MISSING, id="empty"),
        pytest.param("bob", sign(b"idv_new", "ada"), None, Verdict.MISMATCH, id="of-somebody-else"),
        pytest.param("ada", sign(b"revoked", "ada"), None, Verdict.MISMATCH, id="of-another-secret"),
        pytest.param("ada", sign(b"idv_new", "ada", SOON), None, Verdict.MISMATCH, id="expiry-left-out"),
        pytest.param("ada", sign(b"idv_new", "ada", SOON), str(SOON + 1), Verdict.MISMATCH, id="expiry-put-off"),
        pytest.param("ada", sign(b"idv_new", "ada"), str(SOON), Verdict.MISMATCH, id="expiry-put-in"),
        pytest.param("ada", sign(b"idv_new", "ada", 0), "0", Verdict.EXPIRED, id="expired-at-zero"),
        pytest.param("ada", sign(b"idv_new", "ada", SOON - 61), str(SOON - 61), Verdict.EXPIRED, id="expired"),
        pytest.param("ada", sign(b"idv_new", "ada", SOON), f"0{SOON}", Verdict.MALFORMED, id="two-spellings"),
        pytest.param("ada", sign(b"idv_new", "ada"), "-1", Verdict.MALFORMED, id="negative"),
        pytest.param("ada", sign(b"idv_new", "ada"), "9" * 400, Verdict.MALFORMED, id="endless"),
        pytest.param("ada", sign(b"idv_new", "ada")[:-1], None, Verdict.MALFORMED, id="cut"),
        pytest.param("ada", "é" * 64, None, Verdict.MALFORMED, id="no-hex"),
    ],
)
def test_what_does_not_verify(username: str, given: str | None, expiration: str | None, verdict: Verdict) -> None:
    assert verify(username, given, expiration, secrets=SECRETS, now=NOW).verdict is verdict


def test_without_a_secret_nothing_verifies() -> None:
    assert verify("ada", sign(b"", "ada"), None, secrets=(), now=NOW).verdict is Verdict.MISMATCH


SECRET, USERNAME, ENDS = "idv_example", "user-1042", 1790000000


def documented(language: str) -> str:
    """The code of the documentation in this language."""
    text = (PACKAGE.parent / "docs" / "identity-verification.md").read_text()
    return text.partition(f"```{language}\n")[2].partition("\n```")[0]


def test_the_examples_of_the_documentation_are_right() -> None:
    text = (PACKAGE.parent / "docs" / "identity-verification.md").read_text()
    for ends in (None, ENDS):
        assert sign(SECRET.encode(), USERNAME, ends) in text


def test_the_python_of_the_documentation_signs_alike() -> None:
    names: dict[str, Any] = {}
    exec(documented("python"), names)
    for ends in (None, ENDS):
        assert names["identity_hash"](SECRET, USERNAME, ends) == sign(SECRET.encode(), USERNAME, ends)


def test_the_javascript_of_the_documentation_signs_alike() -> None:
    call = f"console.log(identityHash('{SECRET}', '{USERNAME}')); console.log(identityHash('{SECRET}', 'é', {ENDS}))"
    done = subprocess.run(["node", "-e", f"{documented('javascript')}\n{call}"], capture_output=True, text=True)
    assert done.stdout.split() == [sign(SECRET.encode(), USERNAME), sign(SECRET.encode(), "é", ENDS)], done.stderr
