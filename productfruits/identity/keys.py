"""Keys of a user: e-mails and ids, and what is no key though it looks like one.

Every id of every message (userId, anonymousId, previousId, groupId, a delete's too) goes through `identifier`, so that
one id never has two spellings.
"""

import math
import unicodedata
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

#: What fits into a database index with room to spare. A longer text is no key.
MAX_KEY_BYTES: Final = 512

#: Placeholders that broken integrations send for everybody; taken as ids they would merge all these people into one.
#: The list is PostHog's (person-merge-service.ts, https://github.com/PostHog/posthog/issues/5527).
JUNK_IN_ANY_CASE: Final = frozenset(
    {
        "anonymous",
        "guest",
        "distinctid",
        "distinct_id",
        "id",
        "not_authenticated",
        "email",
        "undefined",
        "true",
        "false",
    }
)
JUNK_AS_WRITTEN: Final = frozenset({"[object Object]", "NaN", "None", "none", "null", "0"})
_LONGEST_JUNK = max(map(len, JUNK_IN_ANY_CASE | JUNK_AS_WRITTEN)) + 2
_QUOTES = ("'", '"', "`")


class EmailClaim(msgspec.Struct, frozen=True, gc=False):
    """The e-mail a message speaks of. `clears`: the message says that the user has none."""

    text: str | None = None
    key: str | None = None
    clears: bool = False
    trait_key: str | None = None


NO_CLAIM: Final = EmailClaim()


def identifier(value: Any) -> str | None:
    """Return the id that this JSON value is, or None where it is none.

    Strings are trimmed and keep their case, numbers become their decimal text. Empty strings, booleans, null, arrays,
    objects, junk and what is too long for a key are no ids.
    """
    if type(value) is str:
        text = value.strip()
    elif isinstance(value, bool) or value is None:
        return None
    elif isinstance(value, int | float):
        text = _decimal_text(value)
    else:
        return None
    if not text or (len(text) <= _LONGEST_JUNK and _is_junk(text)) or _is_too_long(text):
        return None
    return text


def email_key(value: Any) -> str | None:
    """Return what two spellings of one e-mail have in common, or None if the value is no e-mail."""
    if type(value) is not str or "@" not in value:
        return None
    key = unicodedata.normalize("NFC", value.strip()).casefold()
    return None if _is_too_long(key) else key


def find_email(kind: str, traits: Mapping[str, Any], context: Mapping[str, Any]) -> EmailClaim:
    """Return the e-mail that this message gives its user.

    An identify's own traits come first; an explicit null there clears. Every kind may name it in `context.traits`,
    where a null says nothing. A group's traits are the group's and an event's properties the event's: neither is asked.
    """
    if kind == "identify" and traits:
        for name, value in _emails(traits):
            if value is None:
                return EmailClaim(clears=True, trait_key=name)
            key = email_key(value)
            if key is not None:
                return EmailClaim(value.strip(), key, trait_key=name)
    known = context.get("traits") if context else None
    if type(known) is dict and known:
        for _, value in _emails(known):
            key = email_key(value)
            if key is not None:
                return EmailClaim(value.strip(), key)
    return NO_CLAIM


def without_email(traits: Mapping[str, Any], claim: EmailClaim) -> Mapping[str, Any]:
    """Return the traits but for the e-mail, which is kept beside them; the same mapping if there is none in them."""
    if claim.trait_key is None:
        return traits
    return {name: value for name, value in traits.items() if name != claim.trait_key}


def _emails(traits: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what stands under `email`, then under other casings of it in document order."""
    if "email" in traits:
        yield "email", traits["email"]
    for name, value in traits.items():
        if len(name) == 5 and name != "email" and name.lower() == "email":
            yield name, value


def _decimal_text(number: int | float) -> str:
    if isinstance(number, int):
        # Python refuses to print huge integers, and no key is that long.
        return str(number) if number.bit_length() <= MAX_KEY_BYTES * 4 else ""
    if not math.isfinite(number):
        return ""
    # 90210.0 is the number 90210, and 1e+21 is an id of 22 digits in every sender's language.
    text = format(Decimal(repr(number)), "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _is_junk(text: str) -> bool:
    if text in JUNK_AS_WRITTEN or text.lower() in JUNK_IN_ANY_CASE:
        return True
    if len(text) >= 2 and text[0] in _QUOTES and text[-1] == text[0]:
        inner = text[1:-1].strip()
        return not inner or _is_junk(inner)
    return False


def _is_too_long(text: str) -> bool:
    # Four bytes is the longest that one character gets in UTF-8: most texts need no encoding to be measured.
    return len(text) * 4 > MAX_KEY_BYTES and len(text.encode("utf-8", "surrogatepass")) > MAX_KEY_BYTES
