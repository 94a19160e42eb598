"""One-time links that an owner makes for somebody else: into a workspace, or back into an account."""

import datetime as dt
from dataclasses import dataclass

from sqlalchemy.orm import Session

from productfruits.errors import ProductFruitsError
from productfruits.models import Admin, Membership
from productfruits.services import admins, one_time_links


class NotYours(ProductFruitsError):
    """This admin also belongs to a workspace that you do not own, so you cannot make a link that opens the account.

    An owner of that workspace, or the operator with `productfruits admin reset EMAIL`, can.
    """


@dataclass(frozen=True, slots=True)
class Invited:
    """The outcome of an invitation; `link` is None when the admin has a password already and just gets access."""

    admin: Admin
    link: str | None


def invite(
    session: Session,
    email: str,
    *,
    inviter: Admin,
    workspace_id: int,
    role: str,
    base_url: str,
    secret_key: str,
    now: dt.datetime,
) -> Invited:
    """Give somebody access to the workspace; a new admin gets a one-time link to choose a password under."""
    admin = admins.by_email(session, email)
    if admin is None:
        admin = admins.create(session, email, None, now, workspace_ids=())
    elif session.get(Membership, (workspace_id, admin.id)) is not None:
        raise admins.AdminExists("This admin has access already. The role can be changed in the list.")
    elif admin.password_hash is None:
        # A link to an account that waits for its first password opens all of its workspaces.
        _must_own_all(session, inviter, admin)
    admins.join(session, admin, workspace_id, role)
    if admin.password_hash is not None:
        return Invited(admin, None)
    return Invited(admin, one_time_links.invite_link(admin, base_url, secret_key, now))


def new_link(session: Session, admin: Admin, *, maker: Admin, base_url: str, secret_key: str, now: dt.datetime) -> str:
    """A one-time link for an admin who lost the password or the invitation; earlier links and sessions stay."""
    _must_own_all(session, maker, admin)
    make = one_time_links.invite_link if admin.password_hash is None else one_time_links.reset_link
    return make(admin, base_url, secret_key, now)


def _must_own_all(session: Session, maker: Admin, admin: Admin) -> None:
    """A link opens the whole account: whoever makes it must own every workspace that the account opens."""
    owned = {found.workspace_id for found in admins.memberships(session, maker.id) if found.role == "owner"}
    if maker.id != admin.id and any(found.workspace_id not in owned for found in admins.memberships(session, admin.id)):
        raise NotYours()
