"""Saved audiences and the users they find; what the store knows of one subject."""

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from productfruits.adoption import documents, rules
from productfruits.adoption.subjects import EventCount, Subject
from productfruits.identity.people import VISIT_GAP
from productfruits.models import ContentState, Workspace
from productfruits.services import adoption_settings, audiences, contents, pages, publishing, subjects
from productfruits.services.audiences import AudienceInUse, AudienceKeyTaken, AudienceOfPages, LeadsNowhere, TookTooLong
from tests.services import factories
from tests.services.factories import NOW
from tests.unit.adoption import authored

DAY = dt.timedelta(days=1)
PRO = {"kind": "trait", "name": "plan", "op": "is", "value": "pro"}


def of(key: str) -> dict[str, Any]:
    return {"kind": "audience", "key": key}


@pytest.fixture
def acme(session: Session) -> Workspace:
    """A workspace beside another one with a user whom every rule would find, and an audience of the same key."""
    noise = factories.workspace(session, "Noise")
    factories.user(session, noise, "ann", traits={"plan": "pro"})
    audiences.create(session, noise.id, "pros", "Pros", PRO, NOW)
    mine = factories.workspace(session)
    for number in range(5):
        factories.user(session, mine, f"user-{number}", traits={"plan": "pro" if number % 2 == 0 else "free"})
    return mine


def count(session: Session, owner: Workspace, rule: Any) -> int:
    return audiences.count(session, owner.id, rules.parse(rule), NOW).users


def test_an_audience_is_counted_alone_and_inside_other_rules(session: Session, acme: Workspace) -> None:
    audiences.create(session, acme.id, "pros", "Pros", PRO, NOW)
    audiences.create(session, acme.id, "others", "Others", {"not": of("pros")}, NOW)
    assert count(session, acme, of("pros")) == 3
    assert count(session, acme, of("others")) == 2
    assert count(session, acme, None) == 5
    assert count(session, acme, {"all": [of("pros"), {"kind": "url", "op": "is", "value": "/"}]}) == 3
    assert count(session, acme, {"all": [of("others"), PRO]}) == 0


def test_matching_users_come_in_pages(session: Session, acme: Workspace) -> None:
    first = audiences.matching(session, acme.id, rules.parse(PRO), NOW, limit=2)
    second = audiences.matching(session, acme.id, rules.parse(PRO), NOW, limit=2, cursor=first.next_cursor)
    assert [user.username for user in (*first.rows, *second.rows)] == ["user-0", "user-2", "user-4"]
    assert second.next_cursor is None
    with pytest.raises(pages.InvalidCursor):
        audiences.matching(session, acme.id, rules.parse(PRO), NOW, cursor="x")


def test_every_change_lets_pages_ask_anew(session: Session, acme: Workspace) -> None:
    seen = [adoption_settings.generation(session, acme.id)]
    audiences.create(session, acme.id, "pros", "Pros", PRO, NOW)
    seen.append(adoption_settings.generation(session, acme.id))
    changed = audiences.change(session, acme.id, "pros", NOW + DAY, name="Everybody else", rule={"not": PRO})
    assert (changed.name, changed.rule, changed.updated_at) == ("Everybody else", {"not": PRO}, NOW + DAY)
    seen.append(adoption_settings.generation(session, acme.id))
    audiences.remove(session, acme.id, "pros")
    seen.append(adoption_settings.generation(session, acme.id))
    assert seen == sorted(set(seen))
    assert audiences.every(session, acme.id) == []
    with pytest.raises(audiences.NoSuchAudience):
        audiences.by_key(session, acme.id, "pros")


def test_what_an_audience_cannot_be_is_refused(session: Session, acme: Workspace) -> None:
    audiences.create(session, acme.id, "pros", "Pros", PRO, NOW)
    audiences.create(session, acme.id, "more", "More", of("pros"), NOW)
    with pytest.raises(AudienceKeyTaken):
        audiences.create(session, acme.id, "pros", "Again", PRO, NOW)
    with pytest.raises(AudienceOfPages):
        audiences.create(session, acme.id, "page", "Page", {"any": [PRO, {"kind": "language", "value": "en"}]}, NOW)
    with pytest.raises(LeadsNowhere, match="audience gone, content lost"):
        nowhere = {"all": [of("gone"), {"kind": "content", "key": "lost", "state": "completed"}]}
        audiences.create(session, acme.id, "nowhere", "Nowhere", nowhere, NOW)
    with pytest.raises(rules.EndlessAudience):
        audiences.change(session, acme.id, "pros", NOW, rule={"any": [PRO, of("more")]})
    with pytest.raises(rules.EndlessAudience):
        audiences.create(session, acme.id, "self", "Self", of("self"), NOW)
    with pytest.raises(LeadsNowhere):
        count(session, acme, of("gone"))
    assert [row.key for row in audiences.every(session, acme.id)] == ["more", "pros"]


def test_an_audience_in_use_stays(session: Session, acme: Workspace) -> None:
    audiences.create(session, acme.id, "pros", "Pros", PRO, NOW)
    audiences.create(session, acme.id, "more", "More", {"not": of("pros")}, NOW)
    document = documents.load("tour", authored.tour(targeting={"all": [{"not": of("more")}]}))
    tour = contents.create(session, acme.id, "tour", document, NOW)
    publishing.publish(session, tour, "cli", NOW)
    with pytest.raises(AudienceInUse, match="audience more"):
        audiences.remove(session, acme.id, "pros")
    with pytest.raises(AudienceInUse, match="welcome"):
        audiences.remove(session, acme.id, "more")
    publishing.unpublish(session, tour, NOW)
    audiences.remove(session, acme.id, "more")
    audiences.remove(session, acme.id, "pros")


def test_the_heaviest_rule_there_may_be_is_counted(session: Session, acme: Workspace) -> None:
    leaves = [
        {"kind": "trait", "name": "seats", "op": "in_last_days", "value": 7},
        {"kind": "computed", "name": "username", "op": "one_of", "value": [f"user-{n}" for n in range(100)]},
        {"kind": "trait", "name": "plan", "op": "one_of", "value": ["free", "pro", *range(98)]},
        {"kind": "event", "name": "Paid", "at_most": 3, "in_days": 7},
    ]
    audiences.create(session, acme.id, "a", "A", {"any": leaves * 50}, NOW)
    audiences.create(session, acme.id, "b", "B", {"any": leaves * 35}, NOW)
    assert count(session, acme, {"all": [*(leaves[1:] * 52), of("a"), of("b")]}) == 5
    with pytest.raises(rules.HeavyAudience):
        count(session, acme, {"all": [*(leaves[1:] * 60), of("a"), of("b")]})


def test_a_search_that_takes_too_long_is_stopped(
    session: Session, acme: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaf = {"kind": "event", "name": "Paid", "at_least": 3, "in_days": 7}
    rule = rules.parse({"any": [leaf] * 100})
    for number in range(100):
        factories.user(session, acme, f"more-{number}", traits={})
    monkeypatch.setattr(audiences, "FIND_WITHIN_S", 0.001)
    with pytest.raises(TookTooLong, match="took more than 10 seconds"):
        audiences.count(session, acme.id, rule, NOW)
    with pytest.raises(TookTooLong):
        audiences.matching(session, acme.id, rule, NOW)
    monkeypatch.undo()
    # The same session goes on, without a limit left behind.
    assert audiences.count(session, acme.id, rule, NOW).users == 0
    assert audiences.matching(session, acme.id, rule, NOW).rows == []


def test_a_user_is_loaded_with_all_that_rules_ask(session: Session, acme: Workspace) -> None:
    tours = [factories.content(session, acme, key) for key in ("one", "two", "three")]
    tours[2].reset_at = NOW + DAY
    user = factories.user(
        session, acme, "ann", "Ann@x", traits={"a": [1]}, visits=4, visit_began_at=NOW - DAY, last_seen_at=NOW
    )
    factories.member(session, user, "acme", plan="team")
    for days in (0, 5, 50):
        factories.event(session, acme, user, name="Paid", timestamp=NOW - days * DAY)
    factories.event(session, acme, user, name="Paid", type="page")
    factories.event(session, acme, None, name="Paid")
    for tour, state in zip(tours, ("completed", "snoozed", "completed"), strict=True):
        factories.content_state(session, user, tour.id, state)
    session.commit()
    asks = {EventCount("Paid", None), EventCount("Paid", 7), EventCount("Paid", 1), EventCount("Never", 1)}
    statements: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(session.get_bind(), "before_cursor_execute", note)
    loaded = subjects.load(session, acme.id, user.id, None, asks, NOW)
    event.remove(session.get_bind(), "before_cursor_execute", note)
    assert len([statement for statement in statements if statement.startswith("SELECT")]) == 4
    assert loaded == Subject(
        is_known=True,
        username="ann",
        email="Ann@x",
        traits={"a": [1]},
        first_seen=NOW,
        last_seen=NOW,
        visits=4,
        visit_began=NOW - DAY,
        groups={"acme": {"plan": "team"}},
        event_counts=dict(loaded.event_counts),
        contents={"one": "completed", "two": "snoozed"},
    )
    assert {ask: loaded.event_counts.get(ask, 0) for ask in asks} == {
        EventCount("Paid", None): 3,
        EventCount("Paid", 7): 2,
        EventCount("Paid", 1): 1,
        EventCount("Never", 1): 0,
    }


def test_who_comes_back_after_half_an_hour_is_in_a_new_visit(session: Session, acme: Workspace) -> None:
    user = factories.user(session, acme, "ann", visit_began_at=NOW - DAY, last_seen_at=NOW)
    later = NOW + dt.timedelta(microseconds=VISIT_GAP + 1)
    assert subjects.load(session, acme.id, user.id, None, (), later).visit_began == later


def test_of_a_visitor_only_the_progress_is_known(session: Session, acme: Workspace) -> None:
    tour = factories.content(session, acme, "one")
    session.add(
        ContentState(
            workspace_id=acme.id,
            content_id=tour.id,
            anonymous_id="v",
            state="dismissed",
            version=1,
            items={},
            state_at=1,
        )
    )
    session.flush()
    visitor = subjects.load(session, acme.id, None, "v", (), NOW)
    assert (visitor.is_known, visitor.contents, visitor.traits) == (False, {"one": "dismissed"}, {})
    assert subjects.load(session, acme.id, "nobody", None, (), NOW).contents == {}
    assert subjects.load(session, acme.id, None, None, (), NOW).is_known is False
