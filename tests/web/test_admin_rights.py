"""Who may do what: every route of the map, every kind of visitor. A route that is not listed here fails a test."""

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from flask import Flask

import productfruits
from productfruits.config import Settings
from productfruits.models import ROLES
from productfruits.web.admin import gate
from tests.web import admin_world
from tests.web.admin_world import World, runtime_of

W = "/w/<workspace>"
S = f"{W}/settings"
C = f"{W}/content/<content_key>"
F = f"{W}/functions/<function_key>"
D = f"{W}/destinations/<destination>"

#: (method, rule) -> (the least role that may, the form that a page would send). What is not in here is not tested:
#: `test_every_route_of_a_workspace_is_listed` fails then.
PAGES: Mapping[tuple[str, str], tuple[str, Mapping[str, str]]] = {
    ("GET", f"{W}/"): ("viewer", {}),
    ("GET", f"{W}/users"): ("viewer", {}),
    ("GET", f"{W}/users/<user_id>"): ("viewer", {}),
    ("POST", f"{W}/users/<user_id>/unlink"): ("editor", {"kind": "{kind}", "value": "{value}"}),
    ("POST", f"{W}/users/<user_id>/export"): ("editor", {}),
    ("POST", f"{W}/users/<user_id>/erase"): ("editor", {"confirm": "erase"}),
    ("GET", f"{W}/users/<user_id>/content"): ("viewer", {}),
    ("POST", f"{W}/users/<user_id>/content/reset"): ("editor", {}),
    ("GET", f"{W}/audiences"): ("viewer", {}),
    ("POST", f"{W}/audiences"): ("editor", {"key": "another", "name": "Another"}),
    ("GET", f"{W}/audiences/<audience_key>"): ("viewer", {}),
    ("GET", f"{W}/audiences/<audience_key>/members"): ("viewer", {}),
    ("POST", f"{W}/audiences/<audience_key>"): (
        "editor",
        {"name": "Changed", "rule.match": "all", "rule.0.kind": "audience", "rule.0.key": "{keep_audience}"},
    ),
    ("POST", f"{W}/audiences/<audience_key>/delete"): ("editor", {}),
    ("GET", f"{W}/conflicts"): ("viewer", {}),
    ("POST", f"{W}/conflicts/<int:conflict_id>/merge"): ("editor", {"keep": "{keep}"}),
    ("POST", f"{W}/conflicts/<int:conflict_id>/dismiss"): ("editor", {}),
    ("GET", f"{W}/content"): ("viewer", {}),
    ("POST", f"{W}/content"): ("editor", {"kind": "tour", "key": "another", "name": "Another"}),
    ("POST", f"{W}/content/starters"): ("editor", {}),
    ("GET", f"{C}"): ("viewer", {}),
    ("GET", f"{C}/audience"): ("viewer", {}),
    ("POST", f"{C}/draft"): ("editor", {"name": "Changed", "title": "T", "items.0.id": "a", "items.0.title": "A"}),
    ("POST", f"{C}/publish"): ("editor", {}),
    ("POST", f"{C}/unpublish"): ("editor", {}),
    ("POST", f"{C}/revert"): ("editor", {}),
    ("POST", f"{C}/archive"): ("editor", {}),
    ("POST", f"{C}/unarchive"): ("editor", {}),
    ("POST", f"{C}/duplicate"): ("editor", {"key": "copy"}),
    ("POST", f"{C}/preview-link"): ("editor", {"page": "https://app.example.com/"}),
    ("GET", f"{C}/numbers"): ("viewer", {}),
    ("POST", f"{C}/reset"): ("editor", {"confirm": "reset"}),
    ("GET", f"{S}/snippet"): ("viewer", {}),
    ("POST", f"{S}/snippet/visitors"): (
        "owner",
        {"verification": "report", "trusts_page": "0", "allows_anonymous": "0"},
    ),
    ("POST", f"{S}/snippet/pace"): (
        "editor",
        {"limit_count": "", "limit_days": "", "quiet_hours": "2", "time_zone": "Europe/Prague"},
    ),
    ("POST", f"{S}/snippet/secret"): ("owner", {"overlap_hours": "24"}),
    ("POST", f"{S}/snippet/secret/revoke"): ("owner", {"secret": "{identity_secret}"}),
    ("GET", f"{S}/segment/event-names"): ("viewer", {}),
    ("POST", f"{S}/segment/event-names"): ("owner", {}),
    ("GET", f"{S}/themes"): ("viewer", {}),
    ("POST", f"{S}/themes"): ("editor", {"key": "another", "name": "Another"}),
    ("GET", f"{S}/themes/<theme_key>"): ("viewer", {}),
    ("POST", f"{S}/themes/<theme_key>"): ("editor", {"name": "Changed"}),
    ("POST", f"{S}/themes/<theme_key>/delete"): ("editor", {}),
    ("GET", f"{W}/functions"): ("viewer", {}),
    ("GET", f"{W}/functions/new"): ("owner", {}),
    ("POST", f"{W}/functions/new"): ("owner", {"name": "Another", "example": "slack"}),
    ("GET", F): ("viewer", {}),
    ("POST", F): ("owner", {"do": "wait"}),
    ("GET", f"{F}/instances"): ("viewer", {}),
    ("POST", f"{F}/instances"): ("owner", {"name": "Another", "value-apiKey": "sk-123456"}),
    ("GET", f"{F}/instances/<int:instance_id>"): ("viewer", {}),
    ("POST", f"{F}/instances/<int:instance_id>"): ("owner", {"name": "Renamed", "value-apiKey": ""}),
    ("POST", f"{F}/instances/<int:instance_id>/switch"): ("owner", {"on": "0"}),
    ("POST", f"{F}/instances/<int:instance_id>/remove"): ("owner", {}),
    ("GET", f"{W}/objects/<collection>"): ("viewer", {}),
    ("POST", f"{W}/objects/<collection>/export"): ("editor", {}),
    ("GET", f"{W}/destinations"): ("viewer", {}),
    ("GET", f"{W}/destinations/new"): ("owner", {}),
    ("POST", f"{W}/destinations"): (
        "owner",
        {"kind": "slack", "name": "Slack", "url": "https://hooks.example.com/y", "form": "text", "template": "hi"},
    ),
    ("GET", f"{W}/destinations/import"): ("owner", {}),
    ("POST", f"{W}/destinations/import"): (
        "owner",
        {"file": "destinations: {{a: {{url: 'https://hooks.example.com/y'}}}}"},
    ),
    ("GET", f"{D}"): ("viewer", {}),
    ("GET", f"{D}/edit"): ("owner", {}),
    ("POST", f"{D}/edit"): ("owner", {"name": "Renamed", "url": "https://hooks.example.com/x"}),
    ("POST", f"{D}/switch"): ("owner", {"on": "0"}),
    ("POST", f"{D}/rotate"): ("owner", {}),
    ("POST", f"{D}/delete"): ("owner", {}),
    ("POST", f"{D}/try"): ("editor", {}),
    ("POST", f"{D}/resend"): ("editor", {"what": "delivery", "delivery": "{delivery}"}),
    ("GET", f"{S}/segment"): ("viewer", {}),
    ("GET", f"{S}/segment/live"): ("viewer", {}),
    ("POST", f"{S}/segment/activate"): ("owner", {}),
    ("POST", f"{S}/segment/rotate"): ("owner", {"overlap_hours": "24"}),
    ("POST", f"{S}/segment/auth-token"): ("owner", {}),
    ("POST", f"{S}/segment/revoke"): ("owner", {"secret": "{secret}"}),
    ("POST", f"{S}/segment/deactivate"): ("owner", {}),
    ("POST", f"{S}/segment/reactivate"): ("owner", {}),
    ("POST", f"{S}/segment/batches"): ("owner", {"on": "0"}),
    ("POST", f"{S}/segment/events"): ("owner", {"on": "0"}),
    ("POST", f"{S}/segment/test"): ("editor", {}),
    ("GET", f"{S}/admins"): ("owner", {}),
    ("POST", f"{S}/admins/invite"): ("owner", {"email": "new@example.com", "role": "viewer"}),
    ("POST", f"{S}/admins/<int:admin_id>/link"): ("owner", {}),
    ("POST", f"{S}/admins/<int:admin_id>/role"): ("owner", {"role": "viewer"}),
    ("POST", f"{S}/admins/<int:admin_id>/remove"): ("owner", {}),
    ("GET", f"{S}/api-keys"): ("owner", {}),
    ("POST", f"{S}/api-keys"): ("owner", {"name": "Another"}),
    ("POST", f"{S}/api-keys/<int:key_id>/revoke"): ("owner", {}),
    ("GET", f"{S}/audit"): ("owner", {}),
    ("GET", f"{S}/workspace"): ("owner", {}),
    ("POST", f"{S}/workspace"): ("owner", {"name": "Renamed"}),
    ("POST", f"{S}/workspace/erased"): ("owner", {"on": "1"}),
    ("GET", "/demo/<workspace>/"): ("viewer", {}),
    ("GET", "/demo/<workspace>/<demo_page>"): ("viewer", {}),
}
#: Pages outside of a workspace, with what an admin who is logged in may send there.
ELSEWHERE: Mapping[tuple[str, str], tuple[str, Mapping[str, str]]] = {
    ("GET", "/"): (gate.LOGGED_IN, {}),
    ("GET", "/workspaces"): (gate.LOGGED_IN, {}),
    ("GET", "/workspaces/new"): (gate.LOGGED_IN, {}),
    ("POST", "/workspaces/new"): (gate.LOGGED_IN, {"name": "Third"}),
    ("GET", "/account"): (gate.LOGGED_IN, {}),
    ("POST", "/account/password"): (gate.LOGGED_IN, {"current": "x", "password": admin_world.PASSWORD}),
    ("POST", "/account/sessions/end"): (gate.LOGGED_IN, {}),
    ("GET", "/setup"): (gate.PUBLIC, {}),
    ("POST", "/setup"): (gate.PUBLIC, {"token": "x", "email": "a@b.example", "password": "y" * 12}),
    ("GET", "/login"): (gate.PUBLIC, {}),
    ("POST", "/login"): (gate.PUBLIC, {"email": "owner@acme.example", "password": "wrong"}),
    ("POST", "/logout"): (gate.PUBLIC, {}),
    ("GET", "/password"): (gate.PUBLIC, {}),
    ("POST", "/password"): (gate.PUBLIC, {"token": "x", "password": "y" * 12}),
}
STORE = "productfruits.db"
ENCRYPTION_KEY = Fernet.generate_key().decode()
#: Rooms whose routes know no session cookie and have tests of their own.
OTHER_ROOMS = ("api.", "api_docs.", "assets.", "browser.", "content_schema.", "functions.", "ingest.", "operations.")

each_page = pytest.mark.parametrize(("method", "rule"), PAGES, ids=lambda value: value.replace(W, "…"))
each_unsafe = pytest.mark.parametrize(
    ("method", "rule"),
    [key for key in {**PAGES, **ELSEWHERE} if key[0] != "GET"],
    ids=lambda value: value.replace(W, "…"),
)


@pytest.fixture(scope="module")
def built(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world whose app is closed: its store is copied, since building one takes longer than most tests with it."""
    folder = tmp_path_factory.mktemp("built")
    shutil.copy(sqlite_template, folder / STORE)
    world = admin_world.build(_app(folder))
    runtime_of(world.app).close()
    return world


@pytest.fixture(scope="module")
def shared(built: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for the tests after which nothing may have changed."""
    yield from _copy(built, tmp_path_factory.mktemp("rights"))


@pytest.fixture
def world(built: World, tmp_path: Path) -> Iterator[World]:
    yield from _copy(built, tmp_path)


def _copy(built: World, folder: Path) -> Iterator[World]:
    shutil.copy(runtime_of(built.app).settings.data_dir / STORE, folder / STORE)
    world = World(_app(folder), built.acme, built.other)
    yield world
    world.close()
    runtime_of(world.app).close()


def _app(folder: Path) -> Flask:
    return productfruits.create_app(
        Settings(
            data_dir=folder,
            database_url=f"sqlite:///{folder / STORE}",
            secret_key="only-for-tests-" + "k" * 32,
            encryption_keys=(ENCRYPTION_KEY,),
            functions=True,
        )
    )


def test_every_route_of_a_workspace_is_listed(shared: World) -> None:
    there = {
        (method, rule.rule)
        for rule in shared.app.url_map.iter_rules()
        if not rule.endpoint.startswith(OTHER_ROOMS)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert there == {*PAGES, *ELSEWHERE}


def test_only_the_pages_of_the_gate_stand_below_a_workspace(shared: World) -> None:
    for rule in shared.app.url_map.iter_rules():
        if "<workspace>" in rule.rule or rule.rule.startswith(("/w/", "/demo/")):
            assert rule.rule.startswith(gate.OF_WORKSPACE)
            assert gate.NEEDS[rule.endpoint] in ROLES


@pytest.mark.parametrize(
    ("rule", "needs"),
    [
        ("/w/<workspace>/new", gate.LOGGED_IN),
        ("/w/<workspace>/new", gate.PUBLIC),
        ("/new", "owner"),
        ("/w/x", "owner"),
        ("/x/<workspace>/", "owner"),
    ],
)
def test_a_page_of_a_workspace_cannot_be_registered_without_a_role(rule: str, needs: str) -> None:
    with pytest.raises(ValueError, match="cannot need"):
        gate.page(rule, needs=needs)


@each_page
def test_a_stranger_gets_404_and_changes_nothing(shared: World, method: str, rule: str) -> None:
    stranger = shared.person(shared.other.admins["owner"])
    _denied(shared, stranger, method, rule, shared.acme, 404)


@each_page
def test_an_unknown_workspace_looks_the_same_as_a_foreign_one(shared: World, method: str, rule: str) -> None:
    owner = shared.person(shared.acme.admins["owner"])
    path, form = _request(rule, shared.acme)
    missing = path.replace(shared.acme.key, "no-such-workspace")
    foreign = path.replace(shared.acme.key, shared.other.key)
    answers = [_send(owner, method, address, form) for address in (missing, foreign)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert _without_token(answers[0].text) == _without_token(answers[1].text)


@pytest.mark.parametrize(
    ("method", "rule"),
    [
        (method, rule)
        for (method, rule), (_, form) in PAGES.items()
        if any(f"{{{name}}}" in form.values() for name in ("keep", "value", "secret", "identity_secret"))
        or ":" in rule
        or "user_id" in rule
        or "_key>" in rule
        or "function_key" in rule
        or "<destination>" in rule
    ],
    ids=lambda value: value.replace(W, "…"),
)
def test_an_id_of_another_workspace_leads_nowhere(shared: World, method: str, rule: str) -> None:
    owner = shared.person(shared.acme.admins["owner"])
    before = shared.version()
    path, form = _request(rule, shared.other)
    answer = _send(owner, method, path.replace(shared.other.key, shared.acme.key), form)
    assert answer.status_code == 404
    assert shared.version() == before


@each_page
@pytest.mark.parametrize("role", ["editor", "viewer"])
def test_a_lower_role_is_refused_and_changes_nothing(shared: World, method: str, rule: str, role: str) -> None:
    least, _ = PAGES[method, rule]
    person = shared.person(shared.acme.admins[role])
    if ROLES.index(role) > ROLES.index(least):
        _denied(shared, person, method, rule, shared.acme, 403)
    elif method == "GET":
        path, form = _request(rule, shared.acme)
        assert _send(person, method, path, form).status_code == 200


@pytest.mark.parametrize(
    ("method", "rule"), [key for key in PAGES if key[0] != "GET"], ids=lambda value: value.replace(W, "…")
)
def test_the_least_role_may(world: World, method: str, rule: str) -> None:
    least, _ = PAGES[method, rule]
    before = world.rows()
    path, form = _request(rule, world.acme)
    answer = _send(world.person(world.acme.admins[least]), method, path, form)
    assert answer.status_code in (200, 303)
    # Activating twice, testing without a running server and taking out of the archive what is not in it are refused in
    # words and change nothing.
    assert (world.rows() != before) is not rule.endswith(("/activate", "/test", "/unarchive"))


@each_page
def test_nobody_is_sent_to_the_login(shared: World, method: str, rule: str) -> None:
    before = shared.version()
    path, form = _request(rule, shared.acme)
    answer = _send(shared.person(None), method, path, form)
    if rule.endswith(("/live", "/members", "/audience")):
        assert (answer.status_code, answer.headers["HX-Refresh"]) == (401, "true")
    else:
        assert answer.status_code == 303
        assert answer.headers["Location"].startswith("/login")
    assert shared.version() == before


@each_unsafe
def test_a_forged_request_changes_nothing(shared: World, method: str, rule: str) -> None:
    person = shared.person(shared.acme.admins["owner"])
    token, foreign = person.token(), shared.person(shared.other.admins["owner"]).token()
    path, form = _request(rule, shared.acme)
    good = {**form, "csrf_token": token}
    forgeries: dict[str, dict[str, Any]] = {
        "no token": {"data": form},
        "made up": {"data": {**form, "csrf_token": "forged"}},
        "another session's": {"data": {**form, "csrf_token": foreign}},
        "in JSON": {"json": good},
        "cross-site": {"data": good, "headers": {"Sec-Fetch-Site": "cross-site"}},
        "same-site": {"data": good, "headers": {"Sec-Fetch-Site": "same-site"}},
        "foreign origin": {"data": good, "headers": {"Origin": "https://evil.example"}},
        "null origin": {"data": good, "headers": {"Origin": "null"}},
        "text/plain": {"data": "&".join(f"{key}={value}" for key, value in good.items()), "content_type": "text/plain"},
    }
    before = shared.version()
    answers = {name: person.client.open(path, method=method, **options) for name, options in forgeries.items()}
    assert {name: answer.status_code for name, answer in answers.items() if answer.status_code not in (400, 403)} == {}
    assert shared.version() == before


@each_unsafe
def test_reading_an_address_for_forms_changes_nothing(shared: World, method: str, rule: str) -> None:
    person = shared.person(shared.acme.admins["owner"])
    before = shared.version()
    path, form = _request(rule, shared.acme)
    person.get(path, query_string=form)
    assert shared.version() == before


@pytest.mark.parametrize(
    ("method", "rule"),
    # The demo app has a policy of its own (test_demo.py).
    [key for key in (*PAGES, *ELSEWHERE) if not key[1].startswith("/demo/")],
    ids=lambda value: value.replace(W, "…"),
)
def test_every_page_carries_the_security_headers(shared: World, method: str, rule: str) -> None:
    path, form = _request(rule, shared.acme)
    for who in (shared.acme.admins["owner"], shared.other.admins["owner"], None):
        # Unsafe ones without a token: the refusals are pages, too.
        answer = shared.person(who).client.open(path, method=method, data=form if method != "GET" else None)
        headers = answer.headers
        assert headers["Content-Security-Policy"] == (
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; font-src 'self'; "
            "img-src 'self' data:; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Cache-Control"] == "no-store"
        assert "Cookie" in headers["Vary"]
        assert headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/healthz", "/api/docs", "/api/v1/users", "/webhooks/segment/x", "/no/such/page"])
def test_the_other_rooms_cannot_be_framed_or_sniffed(shared: World, path: str) -> None:
    headers = shared.person(None).get(path).headers
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_an_address_that_nobody_knows_fails_in_words(shared: World) -> None:
    answer = shared.person(None).get("/no/such/page")
    assert answer.status_code == 404
    assert "There is no such page" in answer.text


def test_a_built_file_may_be_kept_by_browsers_and_proxies(shared: World) -> None:
    page = shared.person(None).get("/login", follow_redirects=True).text
    address = re.search(r'href="(/static/dist/admin\.css\?v=[0-9a-f]+)"', page)
    assert address
    with shared.person(None).get(address.group(1)) as answer:
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert "Cookie" not in answer.headers.get("Vary", "")


def _denied(
    world: World, person: admin_world.Person, method: str, rule: str, house: admin_world.House, status: int
) -> None:
    before = world.version()
    path, form = _request(rule, house)
    assert _send(person, method, path, form).status_code == status
    assert world.version() == before


def _request(rule: str, house: admin_world.House) -> tuple[str, dict[str, str]]:
    """The rule's address and form, filled with ids of this workspace."""
    path = rule.replace("<workspace>", house.key)
    for name, value in house.ids.items():
        path = path.replace(f"<int:{name}>", str(value)).replace(f"<{name}>", str(value))
    _, form = {**PAGES, **ELSEWHERE}.get(("POST", rule), ("", {}))
    return path, {key: value.format(**house.ids) for key, value in form.items()}


def _send(person: admin_world.Person, method: str, path: str, form: Mapping[str, str]) -> Any:
    return person.get(path) if method == "GET" else person.post(path, form)


def _without_token(page: str) -> str:
    return re.sub(r'value="[^"]*"', "", page)
