"""Messages for service tests: written as short as in a story, received as the webhook would hand them over."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy.orm import Session, sessionmaker

from productfruits.segment.messages import Message, Parsed
from productfruits.services import intake
from productfruits.services.arrivals import Arrival, Receipt

NOW = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)


def message(
    kind: str,
    user_id: Any = None,
    *,
    message_id: str | None = None,
    at: dt.datetime | None = NOW,
    anonymous_id: Any = None,
    previous_id: Any = None,
    group_id: Any = None,
    name: str | None = None,
    traits: dict[str, Any] | None = None,
    properties: dict[str, Any] | None = None,
    context: dict[str, Any] | None = None,
    signed: bool = True,
) -> Message:
    return Message(
        type=kind,
        message_id=message_id,
        user_id=user_id,
        anonymous_id=anonymous_id,
        previous_id=previous_id,
        group_id=group_id,
        name=name,
        category=None,
        traits=traits or {},
        properties=properties or {},
        context=context or {},
        timestamp=at,
        signed=signed,
    )


def arrival(
    workspace_id: int,
    *messages: Message,
    trust: Literal["server", "public"] = "server",
    received_at: dt.datetime = NOW,
    connection_id: int | None = None,
    secret_id: int | None = None,
) -> Arrival:
    return Arrival(
        workspace_id=workspace_id,
        connection_id=connection_id,
        secret_id=secret_id,
        source="webhook",
        trust=trust,
        received_at=received_at,
        parsed=Parsed(messages=messages, refused=(), ignored=0),
    )


def receive(sessions: sessionmaker[Session], arrivals: Sequence[Arrival]) -> list[Receipt]:
    """Take these arrivals in one transaction."""
    with sessions.begin() as session:
        return intake.receive(session, arrivals, NOW)
