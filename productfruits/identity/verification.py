"""The identity hash of a page: proof from the customer's server that this browser may speak for this user.

hex(HMAC-SHA256(secret, username)), or with an expiry hex(HMAC-SHA256(secret, username + "." + unix seconds)).
"""

import datetime as dt
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_HEX_DIGITS: Final = 64
#: No expiry in seconds since the epoch has more digits for the next eight thousand years.
_EXPIRY_DIGITS: Final = 12


class Verdict(StrEnum):
    """What became of a hash. The last three are wrong hashes: somebody signs, but not like this."""

    VERIFIED = "verified"
    MISSING = "missing"
    MISMATCH = "mismatch"
    EXPIRED = "expired"
    MALFORMED = "malformed"

    @property
    def is_wrong(self) -> bool:
        return self not in (Verdict.VERIFIED, Verdict.MISSING)


@dataclass(frozen=True, slots=True)
class Proof:
    """The verdict and, for a right hash, the place of the secret that it fits."""

    verdict: Verdict
    secret: int | None = None


def sign(secret: bytes, username: str, expiration: int | None = None) -> str:
    """The hash that the customer's server makes."""
    text = username if expiration is None else f"{username}.{expiration}"
    return hmac.digest(secret, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()


def verify(
    username: str, given: str | None, expiration: str | None, *, secrets: Sequence[bytes], now: dt.datetime
) -> Proof:
    """Whether `given` was made for this username (and expiry, as its decimal text) with one of the live secrets.

    In constant time: which digit differs, and with which secret, cannot be told by the clock.
    """
    if not given:
        return Proof(Verdict.MISSING)
    if len(given) != _HEX_DIGITS or not given.isascii():
        return Proof(Verdict.MALFORMED)
    ends: int | None = None
    if expiration:
        if not (expiration.isascii() and expiration.isdigit() and len(expiration) <= _EXPIRY_DIGITS):
            return Proof(Verdict.MALFORMED)
        ends = int(expiration)
        if str(ends) != expiration:
            return Proof(Verdict.MALFORMED)
    fits = [hmac.compare_digest(sign(secret, username, ends), given.lower()) for secret in secrets]
    if not any(fits):
        return Proof(Verdict.MISMATCH)
    if ends is not None and ends <= now.timestamp():
        return Proof(Verdict.EXPIRED)
    return Proof(Verdict.VERIFIED, fits.index(True))
