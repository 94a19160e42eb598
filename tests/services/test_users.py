"""Finding, listing and searching users. Every workspace has a noisy neighbour with the same names."""

import base64
import datetime as dt
import json
from typing import Any

import pytest
from sqlalchemy.orm import Session

from productfruits.models import Event, User, Workspace
from productfruits.services import events, pages, users
from productfruits.services.pages import InvalidCursor
from tests.services import factories
from tests.services.factories import NOW, workspace


@pytest.fixture
def acme(session: Session) -> Workspace:
    noise, mine = workspace(session, "Noise"), workspace(session)
    for owner in (noise, mine):
        ann = factories.user(
            session, owner, "ann", "Ann@Example.com", traits={"firstName": "Annie", "last_name": "May"}
        )
        factories.alias(session, ann, "ann-2")
        factories.alias(session, ann, "anon-1", kind="anonymous_id", how="identify")
        factories.user(session, owner, "bob_100%", "bob@example.com", last_seen_at=NOW + dt.timedelta(days=1))
        factories.user(session, owner, None, "zoë@example.com", traits={"name": "Zoë 'Q' Ünal"})
    return mine


def called(found: list[User]) -> list[str | None]:
    return [user.username or user.email for user in found]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, ["ann", "bob_100%", "zoë@example.com"]),
        ({"email": " ANN@example.COM "}, ["ann"]),
        ({"email": "no mail"}, []),
        ({"email": ""}, []),
        ({"username": "ann"}, ["ann"]),
        ({"username": " ann-2 "}, ["ann"]),
        ({"username": "ANN"}, []),
        ({"username": "anon-1"}, []),
        ({"username": ""}, []),
        ({"anonymous_id": "anon-1"}, ["ann"]),
        ({"anonymous_id": "ann-2"}, []),
        ({"email": "ann@example.com", "username": "ann-2"}, ["ann"]),
        ({"email": "bob@example.com", "username": "ann"}, []),
        ({"username": "a\0b"}, []),
        ({"username": "\ud800"}, []),
        ({"email": "\ud800@\0"}, []),
    ],
)
def test_it_finds_by_the_keys_of_the_matching_rule(
    session: Session, acme: Workspace, filters: dict[str, Any], found: list[str]
) -> None:
    page = users.page(session, acme.id, **filters)
    assert called([known.user for known in page.rows]) == found
    if filters:
        one = users.find(session, acme.id, **filters)
        assert called([one] if one else []) == found


def test_a_user_comes_with_every_id_that_leads_there(session: Session, acme: Workspace) -> None:
    ann = users.find(session, acme.id, username="ann")
    assert ann is not None
    known = users.show(session, acme.id, ann.id)
    assert [(alias.kind, alias.value) for alias in known.aliases] == [
        ("anonymous_id", "anon-1"),
        ("user_id", "ann-2"),
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["bob_100%", "zoë@example.com", "ann"]),
        ("example.com", ["bob_100%", "zoë@example.com", "ann"]),
        ("ANN", ["ann"]),
        ("annie", ["ann"]),
        ("may", ["ann"]),
        ("ann-2", ["ann"]),
        ("anon-1", ["ann"]),
        ("100%", ["bob_100%"]),
        ("%", ["bob_100%"]),
        ("b_1", ["bob_100%"]),
        ("n_", []),
        ("zOË@", ["zoë@example.com"]),
        ("'q'", ["zoë@example.com"]),
        ("nobody", []),
        ("\0", []),
    ],
)
def test_search_looks_into_mails_names_and_ids(session: Session, acme: Workspace, text: str, found: list[str]) -> None:
    assert called(list(users.search(session, acme.id, text).rows)) == found


@pytest.mark.parametrize("text", ["ann", "ann-2", "ANN@example.com", "anon-1"])
def test_a_person_may_name_a_user_by_any_id(session: Session, acme: Workspace, text: str) -> None:
    ann = users.resolve(session, acme.id, text)
    assert ann.username == "ann" and ann.workspace_id == acme.id
    assert users.resolve(session, acme.id, ann.id) is ann


def test_a_user_of_another_workspace_is_no_user(session: Session, acme: Workspace) -> None:
    foreign = factories.user(session, workspace(session), "eve")
    for ask in (users.get, users.show, users.resolve):
        with pytest.raises(users.NoSuchUser):
            ask(session, acme.id, foreign.id)
        with pytest.raises(users.NoSuchUser):
            ask(session, acme.id, "\0")


def test_groups_are_those_of_the_user(session: Session, acme: Workspace) -> None:
    ann = users.resolve(session, acme.id, "ann")
    factories.member(session, ann, "zeta", plan="pro")
    factories.member(session, ann, "alpha")
    factories.member(session, users.resolve(session, acme.id, "bob_100%"), "noise")
    assert [group.group_id for group in users.groups_of(session, ann)] == ["alpha", "zeta"]


def test_walking_all_pages_sees_everybody_once_whatever_comes_in_between(session: Session, acme: Workspace) -> None:
    seen: list[str] = []
    cursor = None
    while True:
        page = users.page(session, acme.id, limit=1, cursor=cursor)
        seen += [known.user.id for known in page.rows]
        for known in page.rows:
            known.user.last_seen_at += dt.timedelta(days=9)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 3


def test_searching_pages_keeps_the_order(session: Session, acme: Workspace) -> None:
    first = users.search(session, acme.id, limit=2)
    rest = users.search(session, acme.id, limit=2, cursor=first.next_cursor)
    assert [*first.rows, *rest.rows] == list(users.search(session, acme.id).rows)
    assert rest.next_cursor is None


def test_a_timeline_is_newest_first_and_of_one_user(session: Session, acme: Workspace) -> None:
    ann, bob = users.resolve(session, acme.id, "ann"), users.resolve(session, acme.id, "bob_100%")
    for day in (2, 1, 1, 3):
        factories.event(session, acme, ann, name=f"day {day}", timestamp=NOW + dt.timedelta(days=day))
        factories.event(session, acme, bob, name="noise")
    rows: list[Event] = []
    cursor = None
    while True:
        page = events.of_user(session, acme.id, ann.id, limit=1, cursor=cursor)
        rows += page.rows
        cursor = page.next_cursor
        if cursor is None:
            break
    assert [event.name for event in rows] == ["day 3", "day 2", "day 1", "day 1"]
    assert rows[2].id > rows[3].id


def test_the_stream_is_by_receipt_and_of_one_workspace(session: Session, acme: Workspace) -> None:
    for number in range(3):
        factories.event(session, acme, name=str(number), timestamp=NOW - dt.timedelta(days=number))
    factories.event(session, workspace(session), name="noise")
    first = events.page(session, acme.id, limit=2)
    rest = events.page(session, acme.id, limit=2, cursor=first.next_cursor)
    assert [event.name for event in (*first.rows, *rest.rows)] == ["2", "1", "0"]


def cursor_of(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "é",
        "====",
        "a b",
        "\0",
        "\udcff",
        cursor_of({}),
        cursor_of([]),
        cursor_of(None),
        cursor_of([["timeline"]]),
        cursor_of(["events", 1]),
        cursor_of(["timeline", "2030-01-01T00:00:00Z"]),
        cursor_of(["timeline", "2030-01-01T00:00:00", 1]),
        cursor_of(["timeline", "yesterday", 1]),
        cursor_of(["timeline", "2030-01-01T00:00:00Z", 2**63]),
        cursor_of(["timeline", "2030-01-01T00:00:00Z", "1"]),
        cursor_of(["timeline", "2030-01-01T00:00:00Z", 1, 1]),
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
        "A" * 100_000,
    ],
)
def test_a_cursor_that_was_not_given_out_is_refused(session: Session, acme: Workspace, cursor: str) -> None:
    with pytest.raises(InvalidCursor, match="next_cursor"):
        events.of_user(session, acme.id, "ann", cursor=cursor)


def test_a_text_in_a_cursor_is_only_a_text(session: Session, acme: Workspace) -> None:
    page = users.page(session, acme.id, cursor=pages.encode("users", "' OR 1=1 --"))
    assert len(page.rows) == 3  # it sorts before every id
    with pytest.raises(InvalidCursor):
        users.page(session, acme.id, cursor=cursor_of(["users", "\0"]))


@pytest.mark.parametrize(
    ("traits", "name"),
    [
        ({}, None),
        ({"name": " Ann May "}, "Ann May"),
        ({"firstName": "Ann", "lastName": "May"}, "Ann May"),
        ({"first_name": "Ann"}, "Ann"),
        ({"lastname": "May", "firstname": ""}, "May"),
        ({"name": 7, "first_name": ["Ann"]}, None),
    ],
)
def test_a_name_is_read_in_every_spelling(traits: dict[str, object], name: str | None) -> None:
    assert users.display_name(traits) == name
