"""What whoever runs the server may do to admins from its command line, without being one."""

import datetime as dt
from collections.abc import Sequence

from sqlalchemy.orm import Session

from productfruits.models import Admin, Workspace
from productfruits.services import admins, audit, one_time_links, workspaces

ACTOR = "cli"


def create_admin(session: Session, email: str, password: str, workspace_key: str | None, now: dt.datetime) -> Admin:
    """A new owner of the workspace, or of all there are when none is named."""
    owned = [workspace.id for workspace in _workspaces(session, workspace_key)]
    admin = admins.create(session, email, password, now, workspace_ids=owned)
    _record(session, admin, "admin.created", now)
    return admin


def invite(
    session: Session,
    email: str,
    workspace_key: str | None,
    role: str,
    *,
    base_url: str,
    secret_key: str,
    now: dt.datetime,
) -> tuple[Admin, str]:
    """The admin, made now if need be, with access to the workspace (or to all), and a link to choose a password.

    Raises `admins.AdminExists` for somebody who has chosen one: that one logs in, or gets `reset`.
    """
    admin = admins.by_email(session, email)
    if admin is not None and admin.password_hash is not None:
        raise admins.AdminExists()
    if admin is None:
        admin = admins.create(session, email, None, now, workspace_ids=())
    for workspace in _workspaces(session, workspace_key):
        admins.join(session, admin, workspace.id, role)
    _record(session, admin, "admin.invited", now)
    return admin, one_time_links.invite_link(admin, base_url, secret_key, now)


def reset(session: Session, email: str, *, base_url: str, secret_key: str, now: dt.datetime) -> tuple[Admin, str]:
    """The admin and a link to choose a new password; `admins.NoSuchAdmin` for an unknown e-mail."""
    admin = admins.required(session, email)
    make = one_time_links.reset_link if admin.password_hash is not None else one_time_links.invite_link
    _record(session, admin, "admin.link_created", now)
    return admin, make(admin, base_url, secret_key, now)


def _workspaces(session: Session, key: str | None) -> Sequence[Workspace]:
    return workspaces.every(session) if key is None else [workspaces.by_key(session, key)]


def _record(session: Session, whom: Admin, action: str, now: dt.datetime) -> None:
    """One entry for each workspace that the admin gets into; one without a workspace where there is none."""
    entered: list[int | None] = [found.workspace_id for found in admins.memberships(session, whom.id)]
    for workspace_id in entered or [None]:
        audit.record(
            session, workspace_id=workspace_id, actor=ACTOR, action=action, now=now, detail={"admin": whom.email}
        )
