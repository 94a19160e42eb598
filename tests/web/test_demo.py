"""The demo app: a page like a customer's, kept apart from ours."""

import datetime as dt
import html
import json
import re

import pytest
from flask import Flask

from productfruits.identity import verification
from productfruits.services import identity_secrets
from tests.web import admin_world
from tests.web.admin_world import World, runtime_of

NOW = dt.datetime.now(dt.UTC)


@pytest.fixture
def world(app: Flask) -> World:
    return admin_world.build(app)


def test_it_runs_in_an_origin_of_its_own(world: World) -> None:
    answer = world.person(world.acme.admins["viewer"]).get(f"/demo/{world.acme.key}/")
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert "sandbox allow-scripts allow-forms allow-popups allow-popups-to-escape-sandbox" in policy
    assert "script-src 'self'" in policy
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"


@pytest.mark.parametrize(
    ("query", "username"),
    [
        ("", "demo-maya-1"),
        ("?as=sam&run=7", "demo-sam-7"),
        ("?as=nobody", "demo-maya-1"),
        ("?run=0", "demo-maya-1"),
        ("?run=x", "demo-maya-1"),
        ("?run=99999999", "demo-maya-1"),
    ],
)
def test_its_user_is_told_by_the_address(world: World, query: str, username: str) -> None:
    page = world.person(world.acme.admins["viewer"]).get(f"/demo/{world.acme.key}/projects{query}").text
    assert f"names like {username} in" in page


def test_its_user_is_proved_where_the_workspace_has_a_secret(world: World) -> None:
    page = world.person(world.acme.admins["viewer"]).get(f"/demo/{world.acme.key}/").text
    said = re.search(r'data-user="([^"]+)"', page)
    assert said
    proof = json.loads(html.unescape(said.group(1)))["hmac"]
    runtime = runtime_of(world.app)
    with runtime.reading() as session:
        secrets = [each.key for each in identity_secrets.live(session, world.acme.workspace_id, NOW, runtime.vault)]
    verdict = verification.verify(
        "demo-maya-1", proof["hash"], str(proof["expiration"]), secrets=secrets, now=NOW
    ).verdict
    assert verdict is verification.Verdict.VERIFIED


def test_a_page_that_it_does_not_have_is_404(world: World) -> None:
    assert world.person(world.acme.admins["viewer"]).get(f"/demo/{world.acme.key}/nothing").status_code == 404
