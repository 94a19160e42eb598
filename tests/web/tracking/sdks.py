"""What SDKs send, and how their answers are read."""

from typing import Any

from sqlalchemy import select

from productfruits.models import Event, Rejection
from productfruits.workers.runtime import Runtime
from tests.web.requesting import Connected, Reply, encoded

TRACK = {"messageId": "m1", "userId": "u1", "event": "Clicked", "timestamp": "2026-01-01T00:00:00Z"}
PAGE = "https://shop.example"


def counts(reply: Reply) -> tuple[int, int, int, int]:
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    answer = reply.json
    assert answer["success"] is True
    assert "error" not in answer
    return answer["accepted"], answer["duplicates"], answer["ignored"], answer["rejected"]


def refusal(reply: Reply) -> tuple[int, str]:
    assert reply.json["message"]
    return reply.status, reply.json["code"]


def stored(runtime: Runtime, acme: Connected) -> list[Event]:
    with runtime.reading() as session:
        return list(session.scalars(select(Event).where(Event.workspace_id == acme.workspace_id).order_by(Event.id)))


def told(runtime: Runtime, acme: Connected) -> list[tuple[str, str]]:
    """Source and reason of what was refused, once a later message has gone through the writer."""
    with runtime.reading() as session:
        query = select(Rejection).where(Rejection.workspace_id == acme.workspace_id).order_by(Rejection.id)
        return [(row.source, row.reason) for row in session.scalars(query)]


def batch(*events: Any, **more: Any) -> bytes:
    return encoded({"batch": list(events), **more})
