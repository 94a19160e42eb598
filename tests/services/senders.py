"""Destinations for tests, what they are to be sent, and a sender that is run by hand."""

import datetime as dt
import ipaddress
import json
from typing import Any

from cryptography.fernet import Fernet
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from productfruits.models import Delivery, DeliveryAttempt, Destination
from productfruits.outgoing.http import Egress
from productfruits.outgoing.schemas import DestinationShape
from productfruits.services import destinations, intake
from productfruits.services.vault import Vault
from productfruits.workers.deliveries import Deliveries
from productfruits.workers.metrics import Metrics
from tests.receivers import PUBLIC
from tests.services.messages import arrival, message

VAULT = Vault([Fernet.generate_key().decode()])
EGRESS = Egress((ipaddress.ip_network(f"{PUBLIC}/32"),))


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def destination(
    session: Session,
    workspace_id: int,
    url: str = "https://hooks.example.com/x",
    now: dt.datetime | None = None,
    **shape: Any,
) -> destinations.Made:
    loaded = DestinationShape().load({"name": "Hooks", "url": url, **shape})
    return destinations.create(session, workspace_id, loaded, now or dt.datetime.now(dt.UTC), VAULT)


def did(sessions: sessionmaker[Session], workspace_id: int, *names: str, user: str = "ada", **more: Any) -> None:
    """Tracks with these names, each its own messageId."""
    tracks = [message("track", user, message_id=f"{user} {name}", name=name, at=now(), **more) for name in names]
    with sessions.begin() as session:
        intake.receive(session, [arrival(workspace_id, *tracks, received_at=now())], now())


def sender(sessions: sessionmaker[Session], **options: Any) -> Deliveries:
    return Deliveries(sessions, EGRESS, VAULT, Metrics(), **options)


def statuses(session: Session) -> list[tuple[str, str]]:
    """Kind and status of every delivery, in the order in which they were noted."""
    return [
        (row.kind, row.status) for row in session.execute(select(Delivery.kind, Delivery.status).order_by(Delivery.id))
    ]


def attempts(session: Session) -> list[tuple[str, int | None]]:
    return [
        (row.outcome, row.status)
        for row in session.execute(select(DeliveryAttempt.outcome, DeliveryAttempt.status).order_by(DeliveryAttempt.id))
    ]


def make_due(sessions: sessionmaker[Session]) -> None:
    """As if the pauses were over."""
    with sessions.begin() as session:
        session.execute(update(Delivery).where(Delivery.status == "pending").values(due_at=now()))
        session.execute(update(Destination).values(rests_until=None))


def sent(request: bytes) -> tuple[dict[str, str], Any]:
    """Headers (names in lower case) and body of a request that a receiver got."""
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")[1:]
    return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}, json.loads(body)
