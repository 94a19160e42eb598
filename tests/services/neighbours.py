"""A workspace for tests of the intake beside one with the same people, and what the store holds of it."""

import datetime as dt
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from productfruits.models import User
from productfruits.services import workspaces
from tests.services.messages import NOW, arrival, message, receive

HOUR = dt.timedelta(hours=1)


def beside_a_neighbour(sessions: sessionmaker[Session]) -> int:
    """Return the workspace. Nothing of its neighbour may be matched, counted or erased."""
    with sessions.begin() as session:
        noise = workspaces.create(session, "Noise", now=NOW).id
        workspace = workspaces.create(session, "Acme", now=NOW).id
    receive(
        sessions,
        [
            arrival(
                noise,
                message("identify", "ann", message_id="n1", traits={"email": "ann@x.example", "plan": "noise"}),
                message("track", "ann", message_id="n2", name="Noise"),
                message("group", "ann", group_id="acme", message_id="n3", traits={"plan": "noise"}),
                message("identify", anonymous_id="v", message_id="n4", traits={"plan": "noise"}),
            )
        ],
    )
    return workspace


def count(session: Session, model: type[Any], workspace_id: int) -> int:
    return session.scalar(select(func.count()).select_from(model).where(model.workspace_id == workspace_id)) or 0


def user(session: Session, workspace_id: int, username: str) -> User:
    return session.scalars(select(User).where(User.workspace_id == workspace_id, User.username == username)).one()
