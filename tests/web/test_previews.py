"""Drafts in the customer's own app: a link works once, a pass for an hour, and nobody is counted."""

import datetime as dt
from typing import Any

import pytest
from flask.testing import FlaskClient

from productfruits.adoption import documents
from productfruits.models import Content, Workspace
from productfruits.services import contents, previews, workspaces
from productfruits.workers.runtime import Runtime
from tests.unit.adoption import authored

NOW = dt.datetime.now(dt.UTC)
PAGE = "https://app.example.com/projects"


@pytest.fixture
def workspace(runtime: Runtime) -> Workspace:
    with runtime.writing() as session:
        return workspaces.create(session, "Acme", NOW)


@pytest.fixture
def content(runtime: Runtime, workspace: Workspace) -> Content:
    with runtime.writing() as session:
        return contents.create(session, workspace.id, "tour", documents.load("tour", authored.tour("one")), NOW)


@pytest.fixture
def pages(app_on_both: Any) -> FlaskClient:
    client: FlaskClient = app_on_both.test_client()
    return client


def token_of(link: str) -> str:
    return link.partition(previews.MARK)[2]


def ask(pages: FlaskClient, workspace: Workspace, token: str) -> Any:
    return pages.get("/browser/v1/content", query_string={"workspace": workspace.key, "preview": token})


def test_a_link_shows_the_draft_once_and_gives_a_pass(
    runtime: Runtime, workspace: Workspace, content: Content, pages: FlaskClient
) -> None:
    token = token_of(previews.link(PAGE, content, runtime.keyring.secret_key, NOW))
    first = ask(pages, workspace, token)
    assert (first.status_code, first.headers["Cache-Control"]) == (200, "no-store")
    assert [each["key"] for each in first.json["contents"]] == ["one"]
    assert first.json["contents"][0]["eligible"] is True
    again = ask(pages, workspace, token)
    assert (again.status_code, again.json["code"]) == (400, "invalid_preview")
    for _ in range(2):
        assert ask(pages, workspace, first.json["preview"]).json["contents"] == first.json["contents"]


@pytest.mark.parametrize("age", [previews.LINK_FOR, previews.LINK_FOR * 3])
def test_an_old_link_shows_nothing(
    runtime: Runtime, workspace: Workspace, content: Content, pages: FlaskClient, age: dt.timedelta
) -> None:
    token = token_of(previews.link(PAGE, content, runtime.keyring.secret_key, NOW - age - dt.timedelta(seconds=1)))
    assert ask(pages, workspace, token).json["code"] == "invalid_preview"


@pytest.mark.parametrize("token", ["x", "a.b", "e30.abc", "\N{SNOWMAN}", "." * 3_000])
def test_a_made_up_token_is_refused(workspace: Workspace, content: Content, pages: FlaskClient, token: str) -> None:
    assert ask(pages, workspace, token).status_code == 400


def test_a_link_of_another_workspace_shows_nothing(runtime: Runtime, content: Content, pages: FlaskClient) -> None:
    with runtime.writing() as session:
        other = workspaces.create(session, "Other", NOW)
    token = token_of(previews.link(PAGE, content, runtime.keyring.secret_key, NOW))
    assert ask(pages, other, token).json["code"] == "invalid_preview"


def test_the_token_stands_in_the_fragment_which_no_server_sees(runtime: Runtime, content: Content) -> None:
    key = runtime.keyring.secret_key
    assert previews.link(PAGE, content, key, NOW).startswith(f"{PAGE}#{previews.MARK}")
    assert previews.link(f"{PAGE}#/board", content, key, NOW).startswith(f"{PAGE}#/board&{previews.MARK}")
