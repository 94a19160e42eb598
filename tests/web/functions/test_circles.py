"""Circles: what went out and comes back through any way in, a source function among them, ends."""

from typing import Any

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from productfruits.models import Delivery, Event
from productfruits.outgoing import chains
from productfruits.outgoing.schemas import DestinationShape
from productfruits.services import destinations
from productfruits.workers.runtime import Runtime
from tests.services.factories import NOW
from tests.web.requesting import AsgiHttp, basic, connect, encoded


def nowhere(session: Session, workspace_id: int, runtime: Runtime) -> None:
    """A destination that takes everything, and that nothing is sent to: its address is not allowed."""
    shape = DestinationShape().load({"name": "Nowhere", "url": "http://127.0.0.1:9999/x"})
    destinations.create(session, workspace_id, shape, NOW, runtime.vault)


def test_a_circle_of_servers_ends_at_every_way_in(app: Flask, address: str, runtime: Runtime) -> None:
    """Each way in reads how many destinations a request has come through, and what has come through three is cut."""
    acme = connect(runtime)
    with runtime.writing() as session:
        nowhere(session, acme.workspace_id, runtime)
    http = AsgiHttp(app)

    def post(path: str, number: int, depth: str, *headers: tuple[str, str]) -> Any:
        body = encoded({"type": "track", "messageId": f"m-{number}", "userId": "u", "event": "Did"})
        more = acme.signed(body) if path == acme.path else [("Content-Type", "application/json"), *headers]
        answer = http.send("POST", path, [*more, (chains.HEADER, depth)], body).json
        return answer["accepted"], answer["duplicates"]

    token = ("X-Auth-Token", acme.auth_token)
    ways: list[tuple[str, tuple[tuple[str, str], ...]]]
    ways = [(acme.path, ()), ("/v1/track", (basic(acme.write_key),)), ("/api/v1/segment", (token,))]
    try:
        for number, (path, headers) in enumerate(ways):
            assert post(path, number, "3", *headers) == (1, 0)
        # What was stored once is known by its id, whichever way it comes back.
        for path, headers in ways:
            assert [post(path, number, "0", *headers) for number in range(3)] == [(0, 1)] * 3
    finally:
        http.close()
    with runtime.reading() as session:
        mine = select(Delivery.depth).where(Delivery.workspace_id == acme.workspace_id)
        assert session.scalars(mine).all() == [3, 3, 3]
    app.test_client().post(address, json={"id": "looped"}, headers={chains.HEADER: "2"})
    with runtime.reading() as session:
        contexts = select(Event.context).where(Event.sent_user_id == "looped")
        assert session.scalars(contexts).all() == [{"productfruits": {"depth": 2}}] * 2


def test_our_own_event_that_comes_back_is_known_by_its_event_id(app: Flask, runtime: Runtime) -> None:
    """Segment gives it another messageId; by whichever sender it returns, it is stored and sent once."""
    acme = connect(runtime)
    with runtime.writing() as session:
        nowhere(session, acme.workspace_id, runtime)
    own = {
        "id": 1,
        "content_type": "tour",
        "raw_name": "tour_started",
        "event_id": "0b0c1f5e-9d5b-4a52-8f0e-6a1c8f6f2b1d",
        "source": "productfruits",
        "is_preview": False,
    }
    http = AsgiHttp(app)

    def post(path: str, *headers: tuple[str, str]) -> Any:
        message = {"type": "track", "messageId": path, "userId": "u", "event": "Tour Started", "properties": own}
        body = encoded(message)
        more = acme.signed(body) if path == acme.path else [("Content-Type", "application/json"), *headers]
        answer = http.send("POST", path, more, body).json
        return answer["accepted"], answer["duplicates"]

    try:
        assert post("/v1/track", basic(acme.write_key)) == (1, 0)
        assert post(acme.path) == (0, 1)
        assert post("/api/v1/segment", ("X-Auth-Token", acme.auth_token)) == (0, 1)
    finally:
        http.close()
    with runtime.reading() as session:
        mine = select(Delivery.id).where(Delivery.workspace_id == acme.workspace_id)
        assert len(session.scalars(mine).all()) == 1
