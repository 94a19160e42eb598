"""Erasing a user, what stays to keep late messages out, and what is old enough to go."""

import datetime as dt
import json
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from productfruits.database import Base
from productfruits.models import (
    DeadLetter,
    Erasure,
    Event,
    Group,
    SeenMessage,
    StoredObject,
    Tombstone,
    User,
    UserAlias,
    Visitor,
    Workspace,
)
from productfruits.services import erasure, objects, retention, tombstones, user_export, users
from productfruits.services.times import microseconds
from tests.services import factories
from tests.services.factories import NOW, workspace

#: Nothing of this person may be left anywhere.
TRACES = ("ida", "Ida@Example.com", "ida@example.com", "ida-2", "anon-ida", "Ida Lind", "+47 555")


def person(session: Session, owner: Workspace) -> User:
    """Ida, with something in every table that can hold something of her."""
    ida = factories.user(session, owner, "ida", "Ida@Example.com", traits={"name": "Ida Lind", "phone": "+47 555"})
    factories.alias(session, ida, "ida-2")
    factories.alias(session, ida, "anon-ida", kind="anonymous_id")
    factories.event(
        session, owner, ida, properties={"name": "Ida Lind"}, context={"traits": {"email": "ida@example.com"}}
    )
    factories.event(session, owner, ida, sent_user_id="ida-2")
    factories.event(session, owner, None, anonymous_id="anon-ida")
    factories.event(session, owner, None, sent_user_id="ida-2", anonymous_id=None, matched_by="none")
    factories.member(session, ida, "crew")
    factories.visitor(session, owner, "anon-ida")
    factories.conflict(session, factories.user(session, owner, f"bob-{owner.id}"), ida, email="ida@example.com")
    for key in ("ida", "ida-2", "ida@example.com", "shoe"):
        objects.put(session, owner.id, [{"collection": "people", "id": key, "properties": {"kept_for": owner.id}}], NOW)
    for number, body in enumerate((b'{"userId":"ida"}', b'{"traits":{"email":"IDA@EXAMPLE.COM"}}')):
        dead_letter(session, owner, number, body)
    return ida


def dead_letter(session: Session, owner: Workspace, number: int, body: bytes | None, **values: Any) -> DeadLetter:
    row = DeadLetter(
        **{
            "workspace_id": owner.id,
            "digest": bytes([number]),
            "failures": 5,
            "body": body,
            "source": "webhook",
            "reason": "KeyError",
            "first_failed_at": NOW,
            "last_failed_at": NOW,
        }
        | values
    )
    session.add(row)
    session.flush()
    return row


def dump(session: Session) -> str:
    """Every row of every table, as text."""
    rows = []
    for table in Base.metadata.sorted_tables:
        for row in session.execute(select(table)).mappings():
            rows.append(
                json.dumps(
                    {key: value.decode("latin-1") if isinstance(value, bytes) else value for key, value in row.items()},
                    default=str,
                    ensure_ascii=False,
                )
            )
    return "\n".join(rows)


def test_nothing_of_an_erased_user_is_left_in_any_table(session: Session) -> None:
    acme = workspace(session)
    ida = person(session, acme)
    bob = factories.user(session, acme, "bob", "bob@example.com")
    factories.event(session, acme, bob)
    dead_letter(session, acme, 9, b'{"userId":"bob"}')
    acme_id, ida_id, bob_id = acme.id, ida.id, bob.id
    before = dump(session)
    assert [trace for trace in (*TRACES, ida_id) if trace not in before] == []  # or the test could not fail
    session.commit()

    erased = erasure.erase(session, acme_id, ida_id, "cli", NOW)
    session.commit()

    after = dump(session)
    assert [trace for trace in (*TRACES, ida_id) if trace in after] == []
    assert erased == erasure.Erased(users=1, aliases=2, events=4, memberships=1, conflicts=1, dead_letters=2)
    assert session.scalars(select(User.username).order_by(User.username)).all() == ["bob", f"bob-{acme_id}"]
    assert session.scalars(select(Event.user_id)).all() == [bob_id]
    assert session.scalars(select(DeadLetter.body)).all() == [b'{"userId":"bob"}']
    assert session.scalars(select(Group.group_id)).all() == ["crew"]  # the company is no person
    assert session.scalars(select(StoredObject.object_id)).all() == ["shoe"]


def test_the_same_person_in_another_workspace_stays(session: Session) -> None:
    acme, other = workspace(session), workspace(session, "Other")
    ida = person(session, acme)
    person(session, other)
    session.commit()
    erasure.erase(session, acme.id, ida.id, "api", NOW)
    session.commit()
    with pytest.raises(users.NoSuchUser):
        erasure.erase(session, other.id, ida.id, "api", NOW)
    for table in (User, UserAlias, Event, Visitor, DeadLetter):
        assert session.scalar(select(func.count()).select_from(table).where(table.workspace_id == other.id))
    assert users.find(session, other.id, email="ida@example.com") is not None
    kept = select(StoredObject.object_id).where(StoredObject.workspace_id == other.id)
    assert sorted(session.scalars(kept)) == ["ida", "ida-2", "ida@example.com", "shoe"]


def test_every_key_of_the_person_is_buried_salted(session: Session) -> None:
    acme, other = workspace(session), workspace(session)
    ida, twin = person(session, acme), person(session, other)
    session.commit()
    erasure.erase(session, acme.id, ida.id, "admin", NOW)
    session.commit()
    erasure.erase(session, other.id, twin.id, "admin", NOW)
    session.commit()
    keys = [
        ("email", "ida@example.com"),
        ("user_id", "ida"),
        ("user_id", "ida-2"),
        ("anonymous_id", "anon-ida"),
    ]
    found = {row.digest: row.at for row in session.scalars(select(Tombstone).where(Tombstone.workspace_id == acme.id))}
    assert found == {tombstones.digest(acme.salt, kind, value): microseconds(NOW) for kind, value in keys}
    theirs = set(session.scalars(select(Tombstone.digest).where(Tombstone.workspace_id == other.id)))
    assert not theirs & set(found)


def test_the_proof_says_when_who_and_how_much_and_nothing_else(session: Session) -> None:
    acme = workspace(session)
    ida = person(session, acme)
    session.commit()
    erasure.erase(session, acme.id, ida.id, "cli", NOW)
    session.commit()
    (proof,) = erasure.proofs(session, acme.id).rows
    assert (proof.requested_by, proof.users, proof.events, proof.created_at) == ("cli", 1, 4, NOW)
    assert {column.name for column in Erasure.__table__.columns} == {
        "id",
        "workspace_id",
        "requested_by",
        "users",
        "events",
        "created_at",
    }
    assert erasure.proofs(session, workspace(session).id).rows == []


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b'{"userId":"ida"}', True),
        (b'{"email":"IDA"}', True),
        ('{"n":"zoë"}'.encode(), True),
        (b'{"n":"zo\\u00eb"}', True),
        (b'{"n":"a\\"b"}', True),
        (b'{"userId":"bob"}', False),
        (b"\xff\xfe", False),
    ],
)
def test_a_body_names_somebody_plainly_or_escaped(body: bytes, named: bool) -> None:
    assert erasure.names_somebody(body, ["ida", "zoë", 'a"b']) is named


def test_an_export_holds_all_there_is_about_one_person(session: Session) -> None:
    acme = workspace(session)
    ida = person(session, acme)
    factories.event(session, acme, factories.user(session, acme, "noise"), name="noise")
    exported = user_export.export(session, acme.id, ida.id)
    assert exported["user"]["email"] == "Ida@Example.com"
    assert sorted(alias["value"] for alias in exported["user"]["aliases"]) == ["anon-ida", "ida-2"]
    assert [group["group_id"] for group in exported["groups"]] == ["crew"]
    assert len(exported["conflicts"]) == 1
    assert [event["sent_user_id"] for event in exported["events"]] == ["ida", "ida-2"]
    assert json.loads(json.dumps(exported)) == exported


def test_old_rows_go_and_delete_ids_stay_for_ever(session: Session) -> None:
    acme = workspace(session)
    days = dt.timedelta(days=1)
    for age in (0, 9, 11):
        factories.event(session, acme, name=str(age), received_at=NOW - age * days, timestamp=NOW - 50 * days)
    for number, seen_at in enumerate((NOW - 7 * days, NOW - 29 * days, NOW - 31 * days, None)):
        session.add(SeenMessage(workspace_id=acme.id, digest=str(number), seen_at=seen_at))
    dead_letter(session, acme, 1, b"old", last_failed_at=NOW - 31 * days)
    dead_letter(session, acme, 2, b"new")
    session.flush()

    pruned = retention.prune(session, NOW, event_days=10)

    assert (pruned.events, pruned.message_ids, pruned.dead_letters) == (1, 1, 1)
    assert set(session.scalars(select(Event.name))) == {"0", "9"}
    assert sorted(session.scalars(select(SeenMessage.digest))) == ["0", "1", "3"]
    assert not retention.prune(session, NOW, event_days=10).more
    assert retention.prune(session, NOW + 99 * days, event_days=0).events == 0


def test_what_a_visitor_said_goes_with_the_last_event_that_said_it(session: Session) -> None:
    acme = workspace(session)
    old = NOW - dt.timedelta(days=99)
    for anonymous_id, received_at in (("gone", old), ("back", old), ("back", NOW)):
        factories.event(session, acme, anonymous_id=anonymous_id, received_at=received_at)
    for anonymous_id in ("gone", "back"):
        session.add(
            Visitor(
                workspace_id=acme.id, anonymous_id=anonymous_id, traits={"a": 1}, trait_times={"a": 1}, group_ids=[]
            )
        )
    session.flush()
    retention.prune(session, NOW, event_days=1)
    assert session.scalars(select(Visitor.anonymous_id)).all() == ["back"]


def test_much_that_is_old_goes_in_chunks(session: Session) -> None:
    acme = workspace(session)
    old = NOW - dt.timedelta(days=99)
    for number in range(7):
        factories.event(session, acme, received_at=old)
        session.add(SeenMessage(workspace_id=acme.id, digest=str(number), seen_at=old))
    factories.event(session, acme)
    session.flush()
    rounds = []
    while (pruned := retention.prune(session, NOW, event_days=1, chunk=3)).more:
        rounds.append((pruned.events, pruned.message_ids))
    assert rounds == [(3, 3), (3, 3), (1, 1)]
    assert session.scalar(select(func.count()).select_from(Event)) == 1
