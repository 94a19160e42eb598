"""Merging users, unlinking ids, and the conflicts that lead to it."""

import datetime as dt

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from productfruits.models import Conflict, Event, GroupMember, User, UserAlias, Workspace
from productfruits.services import conflicts, same_person, users
from productfruits.services.pages import InvalidCursor
from tests.services import factories
from tests.services.factories import NOW, workspace

LATER = NOW + dt.timedelta(days=1)


@pytest.fixture
def acme(session: Session) -> Workspace:
    """A workspace beside one with the same ids."""
    noise = workspace(session, "Noise")
    factories.event(session, noise, factories.user(session, noise, "ann", "ann@example.com"))
    factories.alias(session, factories.user(session, noise, "bob", "bob@example.com"), "bob-2")
    mine = workspace(session)
    session.commit()
    return mine


def aliases(session: Session, user: User) -> list[tuple[str, str]]:
    session.expire_all()
    return sorted((alias.kind, alias.value) for alias in users.show(session, user.workspace_id, user.id).aliases)


def test_a_merge_takes_everything_along(session: Session, acme: Workspace) -> None:
    ann = factories.user(
        session,
        acme,
        "ann",
        "ann@example.com",
        traits={"plan": "pro", "city": "Bern"},
        trait_times={"plan": 5, "city": 5, "gone": 9},
        first_seen_at=LATER,
    )
    bob = factories.user(
        session,
        acme,
        "bob",
        "bob@example.com",
        traits={"plan": "free", "city": "Oslo", "gone": "x", "new": 1},
        trait_times={"plan": 4, "city": 6, "gone": 8, "new": 1},
        last_seen_at=LATER,
    )
    factories.alias(session, bob, "bob-2")
    factories.alias(session, bob, "anon-b", kind="anonymous_id")
    factories.event(session, acme, bob, message_id="of-bob")
    factories.event(session, acme, ann, message_id="of-ann")
    factories.member(session, bob, "g1")
    factories.member(session, bob, "g2")
    factories.member(session, ann, "g2")
    session.commit()

    kept = same_person.merge(session, acme.id, ann.id, bob.id, NOW)
    session.commit()

    assert kept.id == ann.id and kept.username == "ann" and kept.email == "ann@example.com"
    assert kept.traits == {"plan": "pro", "city": "Oslo", "new": 1}
    assert kept.trait_times == {"plan": 5, "city": 6, "gone": 9, "new": 1}
    assert (kept.first_seen_at, kept.last_seen_at) == (NOW, LATER)
    assert aliases(session, kept) == [("anonymous_id", "anon-b"), ("user_id", "bob"), ("user_id", "bob-2")]
    owners = session.execute(select(Event.message_id, Event.user_id).where(Event.workspace_id == acme.id))
    assert {tuple(row) for row in owners} == {("of-bob", ann.id), ("of-ann", ann.id)}
    groups = session.scalars(select(GroupMember.group_id).where(GroupMember.user_id == ann.id))
    assert sorted(groups) == ["g1", "g2"]
    with pytest.raises(users.NoSuchUser):
        users.get(session, acme.id, bob.id)
    assert users.find(session, acme.id, email="bob@example.com") is None  # free again


def test_a_merge_fills_in_what_the_kept_user_lacks(session: Session, acme: Workspace) -> None:
    ann = factories.user(session, acme, None, None)
    bob = factories.user(session, acme, "bob", "Bob@example.com")
    session.commit()
    kept = same_person.merge(session, acme.id, ann.id, bob.id, NOW)
    session.commit()
    assert (kept.username, kept.email, kept.email_key) == ("bob", "Bob@example.com", "bob@example.com")
    assert aliases(session, kept) == []


def test_a_user_is_not_merged_with_itself_or_with_a_stranger(session: Session, acme: Workspace) -> None:
    ann = factories.user(session, acme, "ann")
    eve = factories.user(session, workspace(session), "eve")
    acme_id, ann_id, eve_id = acme.id, ann.id, eve.id
    session.commit()
    with pytest.raises(same_person.SameUser):
        same_person.merge(session, acme_id, ann_id, ann_id, NOW)
    session.rollback()
    for keep, other in ((ann_id, eve_id), (eve_id, ann_id)):
        with pytest.raises(users.NoSuchUser):
            same_person.merge(session, acme_id, keep, other, NOW)
        session.rollback()


def test_an_unlinked_id_is_a_user_of_its_own_with_the_events_sent_under_it(session: Session, acme: Workspace) -> None:
    ann = factories.user(session, acme, "ann", "ann@example.com", traits={"plan": "pro"})
    factories.alias(session, ann, "ann-2")
    at = NOW - dt.timedelta(hours=3)
    moved = factories.event(session, acme, ann, sent_user_id="ann-2", received_at=at)
    kept = factories.event(session, acme, ann)
    session.commit()

    parted = same_person.unlink(session, acme.id, "user_id", "ann-2", NOW)
    session.commit()

    assert parted is not None and (parted.username, parted.email, parted.traits) == ("ann-2", None, {})
    assert (parted.first_seen_at, parted.last_seen_at) == (at, at)
    session.expire_all()
    assert (moved.user_id, kept.user_id) == (parted.id, ann.id)
    assert ann.traits == {"plan": "pro"}
    assert aliases(session, ann) == []
    assert users.find(session, acme.id, username="ann-2") is parted


def test_an_unlinked_anonymous_id_is_a_visitor_again(session: Session, acme: Workspace) -> None:
    ann = factories.user(session, acme, "ann")
    factories.alias(session, ann, "anon", kind="anonymous_id", how="identify")
    before = factories.event(session, acme, ann, anonymous_id="anon", sent_user_id=None)
    both = factories.event(session, acme, ann, anonymous_id="anon")
    session.commit()
    assert same_person.unlink(session, acme.id, "anonymous_id", "anon", NOW) is None
    session.commit()
    session.expire_all()
    assert (before.user_id, before.matched_by) == (None, "anonymous")
    assert both.user_id == ann.id  # it carries ann's own id as well


@pytest.mark.parametrize(
    ("kind", "value"), [("user_id", "bob"), ("user_id", "ann"), ("anonymous_id", "ann-2"), ("x", "y")]
)
def test_only_an_alias_of_this_workspace_can_be_unlinked(
    session: Session, acme: Workspace, kind: str, value: str
) -> None:
    factories.alias(session, factories.user(session, acme, "ann"), "ann-2")
    session.commit()
    with pytest.raises(same_person.NoSuchAlias):
        same_person.unlink(session, acme.id, kind, value, NOW)


def test_merging_resolves_the_conflict_and_hands_on_the_others(session: Session, acme: Workspace) -> None:
    ann, bob, cat = (factories.user(session, acme, name) for name in ("ann", "bob", "cat"))
    between = factories.conflict(session, ann, bob)
    same_again = factories.conflict(session, bob, ann, kind="alias")
    third = factories.conflict(session, cat, bob)
    settled = factories.conflict(session, cat, ann, resolved_at=NOW, resolution="dismissed")
    session.commit()

    conflicts.merge(session, acme.id, between.id, ann.id, LATER)
    session.commit()
    session.expire_all()

    assert [(row.resolved_at, row.resolution) for row in (between, same_again)] == [(LATER, "merged")] * 2
    assert (third.user_id, third.other_user_id, third.resolved_at) == (cat.id, ann.id, None)
    assert (settled.resolved_at, settled.resolution) == (NOW, "dismissed")
    assert conflicts.count_open(session, acme.id) == 1


def test_either_user_of_a_conflict_may_be_kept(session: Session, acme: Workspace) -> None:
    ann, bob = (factories.user(session, acme, name) for name in ("ann", "bob"))
    conflict = factories.conflict(session, ann, bob)
    session.commit()
    assert conflicts.merge(session, acme.id, conflict.id, bob.id, NOW).id == bob.id
    session.commit()
    assert session.scalars(select(UserAlias.value).where(UserAlias.user_id == bob.id)).all() == ["ann"]


def test_a_conflict_is_resolved_once_and_by_its_own_workspace(session: Session, acme: Workspace) -> None:
    ann, bob, cat = (factories.user(session, acme, name) for name in ("ann", "bob", "cat"))
    conflict = factories.conflict(session, ann, bob)
    acme_id, other_id, conflict_id = acme.id, workspace(session).id, conflict.id
    ann_id, bob_id, cat_id = ann.id, bob.id, cat.id
    session.commit()
    with pytest.raises(conflicts.NotInConflict):
        conflicts.merge(session, acme_id, conflict_id, cat_id, NOW)
    session.rollback()
    with pytest.raises(conflicts.NoSuchConflict):
        conflicts.dismiss(session, other_id, conflict_id, NOW)
    session.rollback()
    conflicts.dismiss(session, acme_id, conflict_id, NOW)
    session.commit()
    assert conflict.resolution == "dismissed"
    with pytest.raises(conflicts.NoSuchConflict):
        conflicts.merge(session, acme_id, conflict_id, ann_id, NOW)
    assert users.get(session, acme_id, bob_id) is bob


def test_conflicts_are_listed_newest_first(session: Session, acme: Workspace) -> None:
    ann, bob = (factories.user(session, acme, name) for name in ("ann", "bob"))
    made = [factories.conflict(session, ann, bob, message_id=str(number)) for number in range(3)]
    made[1].resolved_at, made[1].resolution = NOW, "dismissed"
    noise = workspace(session)
    factories.conflict(session, factories.user(session, noise, "x"), factories.user(session, noise, "y"))
    session.flush()
    first = conflicts.page(session, acme.id, limit=2)
    rest = conflicts.page(session, acme.id, limit=2, cursor=first.next_cursor)
    assert [row.message_id for row in (*first.rows, *rest.rows)] == ["2", "1", "0"]
    assert [row.message_id for row in conflicts.page(session, acme.id, open_only=True).rows] == ["2", "0"]
    with pytest.raises(InvalidCursor):
        conflicts.page(session, acme.id, cursor="nonsense")


def test_a_merge_leaves_the_neighbours_alone(session: Session, acme: Workspace) -> None:
    before = {(row.id, row.username, row.email) for row in session.scalars(select(User))}
    ann, bob = factories.user(session, acme, "ann", "ann@example.com"), factories.user(session, acme, "bob")
    session.commit()
    same_person.merge(session, acme.id, ann.id, bob.id, NOW)
    session.commit()
    others = select(User).where(User.workspace_id != acme.id)
    assert {(row.id, row.username, row.email) for row in session.scalars(others)} == before
    assert session.scalars(select(Conflict)).all() == []
