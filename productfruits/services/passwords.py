"""Passwords of admins: which are allowed, how they are kept, how they are compared."""

import functools
from pathlib import Path

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from productfruits.errors import ProductFruitsError

MIN_CHARACTERS = 12
#: Argon2 reads every byte; without an upper bound a login form would be a way to keep the processor busy.
MAX_BYTES = 1_024
# OWASP's first choice for argon2id (46 MiB, one pass, one lane): sixteen logins at once stay under 1 GiB.
# https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
_hash = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=47_104, parallelism=1),))


class WeakPassword(ProductFruitsError):
    """This password is too easy to guess. Choose at least 12 characters; a short sentence is good."""


def check(password: str, *, email: str) -> None:
    """Raise `WeakPassword` with the reason unless `password` may protect the account of `email`."""
    if len(password) < MIN_CHARACTERS:
        raise WeakPassword(
            f"The password is too short: it has {len(password)} characters and needs at least {MIN_CHARACTERS}. "
            "A short sentence is good."
        )
    if len(password.encode()) > MAX_BYTES:
        raise WeakPassword(f"The password is too long: it may have at most {MAX_BYTES:,} bytes.")
    plain = "".join(char for char in password.casefold() if char not in " -_.")
    if plain in _common() or _repeats(plain):
        raise WeakPassword("This password is one of the first that anybody would try. Choose another one.")
    names = (email.casefold(), email.casefold().partition("@")[0])
    if plain.strip("0123456789!") in ("", *names) or password.casefold() in names:
        raise WeakPassword("This password is made of your e-mail or of digits only. Choose another one.")


def hashed(password: str) -> str:
    """What to keep of a password: an argon2id string with its salt. Takes tens of milliseconds by design."""
    return _hash.hash(password)


def matches(password: str, kept: str | None) -> bool:
    """True if `password` is the one that `kept` was made of.

    Takes the same time for an account without a password, so that the delay does not tell which accounts exist.
    """
    if len(password.encode()) > MAX_BYTES:
        return False
    return _hash.verify(password, kept or _nobody()) and kept is not None


@functools.cache
def _common() -> frozenset[str]:
    """What passes the first rule and is what anybody would try first: lower case, without separators."""
    listed = Path(__file__).with_name("common_passwords.txt")
    return frozenset(listed.read_text(encoding="ascii").split())


@functools.cache
def _nobody() -> str:
    return _hash.hash("the password of nobody")


def _repeats(text: str) -> bool:
    """True for "aaaaaaaaaaaa" or "abcabcabcabc": something short, again and again."""
    return any(text == (text[:size] * (len(text) // size + 1))[: len(text)] for size in range(1, 5))
