"""Admins: who may log in here, in which workspaces, with which rights."""

import datetime as dt
from collections.abc import Iterable, Sequence

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload, selectinload

from productfruits.errors import ProductFruitsError
from productfruits.identity.keys import email_key
from productfruits.models import ROLES, Admin, Membership, Workspace
from productfruits.services import audit, locks, passwords, workspaces
from productfruits.services.one_time_links import invite_link, reset_link, setup_link

#: The links belong to this subject for whoever calls it from outside.
__all__ = ["invite_link", "reset_link", "setup_link"]

#: A session without a request for so long is over; so is any session after a week.
IDLE = dt.timedelta(hours=12)
ABSOLUTE = dt.timedelta(days=7)
#: No workspace has this number, so its lock can guard the making of the first admin.
SETUP_LOCK = 0


class InvalidEmail(ProductFruitsError):
    """This is not an e-mail address. Give one like ada@example.com: it is your login, nothing is sent to it."""


class AdminExists(ProductFruitsError):
    """There is an admin with this e-mail already. For a forgotten password: productfruits admin reset EMAIL"""


class NoSuchAdmin(ProductFruitsError):
    """There is no admin with this e-mail. Make one with: productfruits admin create EMAIL --password-stdin"""


class WrongCredentials(ProductFruitsError):
    """E-mail and password do not fit. Check both; an owner of your workspace can make a link for a new password."""


class SetupDone(ProductFruitsError):
    """This server has its first admin already, so the setup link has ended. Log in instead."""


class LastOwner(ProductFruitsError):
    """This is the workspace's only owner: without one nobody could manage it. Make somebody else owner first."""


def exist(session: Session) -> bool:
    """True once the first admin was made: from then on the setup link is dead."""
    return bool(session.scalar(select(func.count()).select_from(Admin)))


def create(
    session: Session, email: str, password: str | None, now: dt.datetime, *, workspace_ids: Iterable[int] | None = None
) -> Admin:
    """A new admin, owner of the given workspaces (of all that exist when none are named).

    Without a password the admin can log in only after following an invitation. Hashing takes tens of milliseconds:
    on SQLite call this before the transaction's first write, or other writers wait.
    """
    email, key = _email(email)
    kept = None
    if password is not None:
        passwords.check(password, email=email)
        kept = passwords.hashed(password)
    if by_email(session, email) is not None:
        raise AdminExists()
    admin = Admin(email=email, email_key=key, password_hash=kept, session_epoch=0, created_at=now)
    session.add(admin)
    session.flush()
    if workspace_ids is None:
        workspace_ids = [workspace.id for workspace in workspaces.every(session)]
    for workspace_id in workspace_ids:
        session.add(Membership(workspace_id=workspace_id, admin_id=admin.id, role="owner"))
    session.flush()
    return admin


def set_up(session: Session, email: str, password: str, workspace_name: str | None, now: dt.datetime) -> Admin:
    """The first admin and, where the store has none yet, the first workspace. Raises `SetupDone` the second time.

    Call it first in a transaction: it takes a lock, so that of two people with the link only one becomes the owner.
    """
    locks.write_lock(session, SETUP_LOCK)
    if exist(session):
        raise SetupDone()
    if not workspaces.every(session):
        workspaces.create(session, workspace_name or "", now)
    admin = create(session, email, password, now)
    for membership in memberships(session, admin.id):
        audit.record(
            session, workspace_id=membership.workspace_id, actor=admin.email, action="admin.first_created", now=now
        )
    return admin


def by_email(session: Session, email: str) -> Admin | None:
    """The admin with this e-mail in any spelling, or None."""
    key = email_key(email)
    return session.scalar(select(Admin).where(Admin.email_key == key)) if key else None


def required(session: Session, email: str) -> Admin:
    """The admin with this e-mail, or `NoSuchAdmin`."""
    admin = by_email(session, email)
    if admin is None:
        raise NoSuchAdmin()
    return admin


def in_session(
    session: Session,
    *,
    admin_id: int,
    epoch: int,
    started_at: dt.datetime,
    seen_at: dt.datetime,
    now: dt.datetime,
) -> Admin | None:
    """The admin whom a browser session speaks for, or None when it has ended: idle, too old, or of a former epoch."""
    if now - seen_at > IDLE or now - started_at > ABSOLUTE:
        return None
    admin = session.get(Admin, admin_id)
    return admin if admin is not None and admin.session_epoch == epoch else None


def audited(session: Session, admin: Admin, action: str, now: dt.datetime, address: str | None) -> None:
    """Record in each of the admin's workspaces what the admin did with the account itself."""
    for found in memberships(session, admin.id):
        audit.record(
            session,
            workspace_id=found.workspace_id,
            actor=admin.email,
            action=action,
            now=now,
            address=address,
        )


def logged_in(session: Session, admin: Admin, now: dt.datetime, address: str | None) -> None:
    """Remember that the admin came in."""
    admin.last_login_at = now
    audited(session, admin, "admin.logged_in", now, address)


def set_password(session: Session, admin: Admin, password_hash: str) -> None:
    """Keep a new password (see `passwords.hashed`). Every session and every open link of the admin ends."""
    admin.password_hash = password_hash
    end_sessions(session, admin)


def end_sessions(session: Session, admin: Admin) -> None:
    """Log the admin out everywhere, and void the links made so far."""
    admin.session_epoch += 1
    session.flush()


def memberships(session: Session, admin_id: int) -> Sequence[Membership]:
    """The admin's memberships with their workspaces, by workspace name."""
    return session.scalars(
        select(Membership)
        .join(Membership.workspace)
        .where(Membership.admin_id == admin_id)
        .options(joinedload(Membership.workspace))
        .order_by(Workspace.name, Workspace.id)
    ).all()


def membership(session: Session, admin_id: int, workspace_key: str) -> Membership | None:
    """The admin's membership in the workspace with this key, or None: there is none, or no such workspace."""
    return session.scalar(
        select(Membership)
        .join(Membership.workspace)
        .where(Membership.admin_id == admin_id, Workspace.key == workspace_key)
        .options(joinedload(Membership.workspace))
    )


def members(session: Session, workspace_id: int) -> Sequence[Membership]:
    """Everybody with access to the workspace, by e-mail."""
    return session.scalars(
        select(Membership)
        .join(Membership.admin)
        .where(Membership.workspace_id == workspace_id)
        .options(joinedload(Membership.admin))
        .order_by(Admin.email_key)
    ).all()


def member(session: Session, workspace_id: int, admin_id: int) -> Membership:
    """One membership of the workspace, or `NoSuchAdmin`."""
    found = session.get(Membership, (workspace_id, admin_id), options=[joinedload(Membership.admin)])
    if found is None:
        raise NoSuchAdmin("This admin has no access to this workspace. Reload the page to see who has.")
    return found


def join(session: Session, admin: Admin, workspace_id: int, role: str) -> Membership:
    """Give the admin access, or change the role where there is access already. Safe to repeat."""
    found = session.get(Membership, (workspace_id, admin.id))
    if found is None:
        found = Membership(workspace_id=workspace_id, admin_id=admin.id, role=role)
        session.add(found)
        session.flush()
    elif found.role != role:
        change_role(session, found, role)
    return found


def change_role(session: Session, found: Membership, role: str) -> None:
    """Change what a member may do. The member's sessions end, so that no page keeps rights that are gone."""
    if role not in ROLES:
        raise ValueError(f"{role!r} is not one of {ROLES}")
    if found.role == "owner" and role != "owner":
        _another_owner(session, found)
    found.role = role
    end_sessions(session, found.admin)


def remove(session: Session, found: Membership) -> None:
    """Take the access away. The account stays, for its other workspaces and for the audit log."""
    if found.role == "owner":
        _another_owner(session, found)
    admin = found.admin
    session.delete(found)
    end_sessions(session, admin)


def owns_any(session: Session, admin_id: int) -> bool:
    """True if the admin may make workspaces: somebody who was only invited to look may not."""
    owned = select(Membership.workspace_id).where(Membership.admin_id == admin_id, Membership.role == "owner")
    return session.scalar(owned.limit(1)) is not None


def every(session: Session) -> Sequence[Admin]:
    """All admins with their memberships, oldest first."""
    return session.scalars(select(Admin).options(selectinload(Admin.memberships)).order_by(Admin.id)).all()


def _another_owner(session: Session, leaving: Membership) -> None:
    # Locked, so that two owners who demote each other at the same moment do not both see the other.
    owners = session.scalars(
        select(Membership.admin_id)
        .where(Membership.workspace_id == leaving.workspace_id, Membership.role == "owner")
        .with_for_update()
    ).all()
    if not any(admin_id != leaving.admin_id for admin_id in owners):
        raise LastOwner()


def _email(email: str) -> tuple[str, str]:
    email = email.strip()
    try:
        validate_email(email, check_deliverability=False)
    except EmailNotValidError as err:
        raise InvalidEmail() from err
    key = email_key(email)
    if key is None:
        raise InvalidEmail()
    return email, key
