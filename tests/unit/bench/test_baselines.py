"""The baselines must do the work they stand for; a baseline that refuses or forgets would be beaten by anybody."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from bench.baselines import hello, naive
from bench.payloads import Endpoint, Request, Traffic, batch, single

ENDPOINT = Endpoint("/webhook", b"a secret of the baseline")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BASELINE_SECRET", ENDPOINT.secret.decode())
    monkeypatch.setenv("BASELINE_DATABASE_URL", f"sqlite:///{tmp_path / 'naive.sqlite3'}")


@pytest.fixture
def naive_client() -> Iterator[FlaskClient]:
    app = naive.create_app()
    yield app.test_client()
    app.extensions["engine"].dispose()


def post(client: FlaskClient, request: Request, signature: str | None = None) -> int:
    head, _, body = request.wire.partition(b"\r\n\r\n")
    signed = next(line.split(b": ")[1].decode() for line in head.splitlines() if line.startswith(b"X-Signature"))
    return client.post(ENDPOINT.path, data=body, headers={"X-Signature": signature or signed}).status_code


def count(client: FlaskClient, what: str) -> Any:
    engine: Engine = client.application.extensions["engine"]
    with engine.connect() as connection:
        return connection.execute(text(f"SELECT count(*) FROM {what}")).scalar_one()


def test_the_naive_app_stores_users_and_events_of_single_messages_and_batches(naive_client: FlaskClient) -> None:
    traffic = Traffic(seed=1, known=8)
    requests = [single(ENDPOINT, message) for message in traffic.arrivals()] + [batch(ENDPOINT, traffic.take(20))]

    assert {post(naive_client, request) for request in requests} == {200}

    assert count(naive_client, "events") == 28
    assert count(naive_client, "users WHERE username LIKE 'known-%'") == 8
    assert count(naive_client, "users") > 8


def test_the_naive_app_merges_traits_when_nobody_races_it(naive_client: FlaskClient) -> None:
    for _, _, message in Traffic(seed=1, known=2).hot(users=2, count=10):
        assert post(naive_client, single(ENDPOINT, message)) == 200

    assert count(naive_client, "users") == 2
    assert count(naive_client, "users WHERE json_extract(traits, '$.key_4') = 4") == 1
    assert count(naive_client, "users WHERE json_extract(traits, '$.key_8') = 8") == 1


@pytest.mark.parametrize("baseline", [naive, hello])
def test_a_baseline_checks_the_signature(baseline: Any) -> None:
    app = baseline.create_app()
    client = app.test_client()
    traffic = Traffic(seed=1, known=5)
    one, many = single(ENDPOINT, traffic.take(1)[0]), batch(ENDPOINT, traffic.take(3))

    assert [post(client, one), post(client, many)] == [200, 200]
    assert [post(client, one, "0" * 40), post(client, many, "0" * 40)] == [401, 401]

    if "engine" in app.extensions:
        app.extensions["engine"].dispose()
