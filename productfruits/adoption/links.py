"""Which addresses content may lead to, and from which it may load pictures."""

import re

SCHEMES = ("https", "http", "mailto")
LINK = "An address begins with https://, http://, mailto:, /, # or ?, like https://example.com/help or /settings."
PICTURE = "The address of a picture begins with https://, http:// or /."
NO_TRAITS = "Traits like {{name}} stand in text only; an address is the same for everybody."

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_WEB = re.compile(r"https?://[^/?#]+", re.IGNORECASE)
#: Browsers drop or reinterpret these inside an address, so that it would lead elsewhere than it looks.
_TREACHEROUS = re.compile(r"[\x00-\x20\x7f-\xa0\\<>\"]")


def is_link(address: str) -> bool:
    """True for https, http and mailto, and for an address within the page's own site."""
    if _TREACHEROUS.search(address):
        return False
    scheme = _SCHEME.match(address)
    if scheme is None:
        return address.startswith(("/", "#", "?", ".")) and not address.startswith("//")
    if scheme[1].lower() == "mailto":
        return "@" in address
    return _WEB.match(address) is not None


def is_picture(address: str) -> bool:
    """True for what a picture may be loaded from: the web, or the page's own site."""
    return is_link(address) and not address.lower().startswith(("mailto:", "#", "?"))


def problem(address: str, *, picture: bool = False) -> str | None:
    """Why the address cannot be used, in words, or None."""
    if "{{" in address:
        return NO_TRAITS
    if picture:
        return None if is_picture(address) else PICTURE
    return None if is_link(address) else LINK
