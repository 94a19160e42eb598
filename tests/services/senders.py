"""Destinations for tests, and a sender that is run by hand."""

import datetime as dt
import ipaddress
import json
from typing import Any

from cryptography.fernet import Fernet
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from productfruits.models import Delivery
from productfruits.outgoing.http import Egress
from productfruits.outgoing.schemas import DestinationShape
from productfruits.services import destinations
from productfruits.services.vault import Vault
from productfruits.workers.deliveries import Deliveries
from productfruits.workers.metrics import Metrics
from tests.receivers import PUBLIC

VAULT = Vault([Fernet.generate_key().decode()])
EGRESS = Egress((ipaddress.ip_network(f"{PUBLIC}/32"),))


def destination(
    session: Session,
    workspace_id: int,
    url: str = "https://hooks.example.com/x",
    now: dt.datetime | None = None,
    **shape: Any,
) -> destinations.Made:
    loaded = DestinationShape().load({"name": "Hooks", "url": url, **shape})
    return destinations.create(session, workspace_id, loaded, now or dt.datetime.now(dt.UTC), VAULT)


def sender(sessions: sessionmaker[Session], **options: Any) -> Deliveries:
    return Deliveries(sessions, EGRESS, VAULT, Metrics(), **options)


def statuses(session: Session) -> list[tuple[str, str]]:
    """Kind and status of every delivery, in the order in which they were noted."""
    return [
        (row.kind, row.status) for row in session.execute(select(Delivery.kind, Delivery.status).order_by(Delivery.id))
    ]


def sent(request: bytes) -> tuple[dict[str, str], Any]:
    """Headers (names in lower case) and body of a request that a receiver got."""
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")[1:]
    return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}, json.loads(body)
