"""Is this request from Segment? Decided on the raw bytes, before anything of them is parsed.

Segment signs with hex(HMAC-SHA1(secret, JSON.stringify(event))): `X-Signature` covers the whole body of a single
event, but of an array only the first element; `X-Segment-Signature` covers the whole body. The bytes are compared as
they came: JSON printed again by another language is not the same JSON.
Sources: segmentio/action-destinations, packages/destination-actions/src/destinations/webhook; Twilio's help article
"How Segment Computes x-signature for Batched Webhooks".
"""

import hmac
import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from productfruits.errors import ProductFruitsError
from productfruits.segment import slices

_HEX_SHA1 = re.compile(r"[0-9a-fA-F]{40}")


class BadSignature(ProductFruitsError):
    """The signature of this request is missing or fits none of the live secrets, so nothing in it was believed.
    Copy the shared secret of the settings page into the Segment destination again."""


class Signed(msgspec.Struct, frozen=True, gc=False):
    """Which secret (its place in the sequence given to `verify`) signed how much of the body."""

    secret: int
    covers: Literal["body", "first"]


def sign(body: bytes, secret: bytes) -> str:
    """The signature Segment would send for these bytes: lower-case hex HMAC-SHA1."""
    return hmac.digest(secret, body, "sha1").hex()


def verify(
    body: bytes, *, x_signature: str | None, x_segment_signature: str | None, secrets: Sequence[bytes]
) -> Signed:
    """Says which secret signed the body, and how much of it. Raises BadSignature and nothing else.

    `secrets` are the live ones (several while a rotation overlaps), as UTF-8 bytes of the text shown to the admin.
    """
    claim = _claimed(x_signature)
    body_claim = _claimed(x_segment_signature)
    first = slices.first_element(body) if claim is not None else None
    if claim is not None and first is not None and body_claim is None:
        # The usual batch: hashing one element first spares hashing all of them.
        secret = _signer(first, claim, secrets)
        if secret is not None:
            return Signed(secret, "first")
    for whole in (body_claim, claim):
        secret = None if whole is None else _signer(body, whole, secrets)
        if secret is not None:
            return Signed(secret, "body")
    if claim is not None and first is not None:
        for part in (first, slices.unwrapped(first)):
            secret = None if part is None else _signer(part, claim, secrets)
            if secret is not None:
                return Signed(secret, "first")
    raise BadSignature


def _claimed(header: str | None) -> bytes | None:
    """The digest a header claims, or None for whatever is not exactly one hex SHA-1."""
    if not isinstance(header, str) or _HEX_SHA1.fullmatch(header) is None:
        return None
    return bytes.fromhex(header)


def _signer(message: bytes, claim: bytes, secrets: Sequence[bytes]) -> int | None:
    """The place of the secret that made `claim`. All are tried, so that the time taken does not tell which one fits."""
    found: int | None = None
    for place, secret in enumerate(secrets):
        fits = hmac.compare_digest(hmac.digest(secret, message, "sha1"), claim)
        # An empty secret would let everybody sign; it is the mark of a broken store, never of a connection.
        if fits and secret and found is None:
            found = place
    return found
