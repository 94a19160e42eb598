"""A workspace with a tour and a checklist, and whatever senders say about them."""

import datetime as dt
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from productfruits.models import ContentState, Event, User
from productfruits.segment.messages import Message
from productfruits.services import workspaces
from productfruits.services.arrivals import Receipt
from tests.services.contents import checklist, publish, tour
from tests.services.messages import NOW, arrival, receive

LATER = NOW + dt.timedelta(minutes=5)
ON_PLAN = {"by": "trait", "rule": {"kind": "trait", "name": "plan", "op": "is", "value": "pro"}}


class Scene:
    """A workspace with a tour and a checklist, and whatever senders say about them."""

    def __init__(self, sessions: sessionmaker[Session]) -> None:
        self.sessions = sessions
        with sessions.begin() as session:
            self.workspace_id = workspaces.create(session, "Acme", now=NOW).id
            self.tour = publish(session, self.workspace_id, "tour", tour("welcome", "invite"))
            self.checklist = publish(
                session,
                self.workspace_id,
                "checklist",
                checklist(
                    connect={"by": "event", "event": "Source Connected"},
                    teach={"by": "event", "event": "Lesson Read", "at_least": 2},
                    upgrade=ON_PLAN,
                ),
            )

    def receive(self, *messages: Message, trust: Any = "server") -> Receipt:
        [receipt] = receive(
            self.sessions, [arrival(self.workspace_id, *messages, trust=trust, received_at=NOW + dt.timedelta(days=1))]
        )
        return receipt

    def state(self, content_id: int) -> ContentState | None:
        with self.sessions() as session:
            return session.scalar(select(ContentState).where(ContentState.content_id == content_id))

    def user_ids(self) -> dict[str | None, str]:
        with self.sessions() as session:
            users = select(User).where(User.workspace_id == self.workspace_id)
            return {user.username: user.id for user in session.scalars(users)}

    def events(self, name: str) -> list[Event]:
        with self.sessions() as session:
            mine = select(Event).where(Event.workspace_id == self.workspace_id, Event.name == name)
            return list(session.scalars(mine.order_by(Event.id)))


def done(state: ContentState | None) -> set[str]:
    assert state is not None
    return set(state.items)
