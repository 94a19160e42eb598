"""Signed links that let somebody in once: the first run's setup, an invitation, a forgotten password.

There is no mail server in this product: an operator or an owner hands these links over.
"""

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import Literal

from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy.orm import Session

from productfruits.errors import ProductFruitsError
from productfruits.models import Admin

LIFETIME = dt.timedelta(hours=24)
SETUP = "productfruits.setup"
PASSWORD = "productfruits.password"

Purpose = Literal["invite", "reset"]


class InvalidLink(ProductFruitsError):
    """This link does not work: it was used already, is older than 24 hours, or was not copied whole. Ask for a new
    one: an owner of your workspace can make it, or the operator with `productfruits admin reset EMAIL`."""


@dataclass(frozen=True, slots=True)
class PasswordLink:
    """What a valid link for choosing a password says."""

    admin: Admin
    purpose: Purpose


def setup_link(base_url: str, secret_key: str) -> str:
    """The link that makes the first admin. The same each time, so that it can be printed again; see `opens_setup`."""
    return f"{base_url}/setup?token={_signer(secret_key, SETUP).dumps('first admin')}"


def opens_setup(token: str, secret_key: str) -> bool:
    """True if `token` is the one of `setup_link`. That there is no admin yet is for the caller to check."""
    try:
        return bool(_signer(secret_key, SETUP).loads(token) == "first admin")
    except (BadData, UnicodeError):
        return False


def invite_link(admin: Admin, base_url: str, secret_key: str, now: dt.datetime) -> str:
    """A link under which `admin` chooses the first password within 24 hours."""
    return _password_link(admin, "invite", base_url, secret_key, now)


def reset_link(admin: Admin, base_url: str, secret_key: str, now: dt.datetime) -> str:
    """A link under which `admin` chooses a new password within 24 hours. The old one works until then."""
    return _password_link(admin, "reset", base_url, secret_key, now)


def read(session: Session, token: str, secret_key: str, now: dt.datetime) -> PasswordLink:
    """The admin whom a password link lets in, or `InvalidLink`.

    It works once, because choosing a password raises the admin's session epoch, which is part of the link.
    """
    try:
        said = _signer(secret_key, PASSWORD).loads(token)
    except (BadData, UnicodeError) as err:
        raise InvalidLink from err
    admin = session.get(Admin, said["admin"])
    if admin is None or said["epoch"] != admin.session_epoch or said["until"] < now.timestamp():
        raise InvalidLink
    return PasswordLink(admin, said["purpose"])


def _password_link(admin: Admin, purpose: Purpose, base_url: str, secret_key: str, now: dt.datetime) -> str:
    until = int((now + LIFETIME).timestamp())
    said = {"admin": admin.id, "epoch": admin.session_epoch, "until": until, "purpose": purpose}
    return f"{base_url}/password?token={_signer(secret_key, PASSWORD).dumps(said)}"


def _signer(secret_key: str, salt: str) -> URLSafeSerializer:
    # Expiry is our own field and not itsdangerous' timestamp, since `now` is an argument of every rule here.
    return URLSafeSerializer(secret_key, salt=salt, signer_kwargs={"digest_method": hashlib.sha256})
