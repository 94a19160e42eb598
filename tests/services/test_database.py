"""Tests of the store's own behaviour: transactions, locks, bulk inserts."""

import datetime as dt
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session, sessionmaker

from productfruits.database import begin_immediate, make_engine
from productfruits.models import Event, Workspace
from productfruits.services import bulk, workspaces

NOW = dt.datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=dt.UTC)


def _event(workspace: Workspace, timestamp: dt.datetime, properties: dict[str, object]) -> dict[str, object]:
    return {
        "workspace_id": workspace.id,
        "user_id": None,
        "type": "track",
        "name": "Clicked",
        "message_id": "m1",
        "timestamp": timestamp,
        "received_at": NOW,
        "source": "webhook",
        "signed": True,
        "matched_by": "none",
        "sent_user_id": None,
        "anonymous_id": None,
        "previous_id": None,
        "group_id": None,
        "properties": properties,
        "context": {},
    }


@pytest.mark.parametrize(
    "timestamp",
    [
        NOW,
        dt.datetime(1, 1, 2, tzinfo=dt.UTC),
        dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC),
        dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30))),
    ],
)
def test_it_reads_back_what_a_bulk_insert_wrote(session: Session, timestamp: dt.datetime) -> None:
    workspace = workspaces.create(session, "Acme", now=NOW)
    properties = {
        "big": 12345678901234567890,
        "tiny": 1e-07,
        "text": 'a\tb\\n"é🎉',
        "none": None,
        "list": [1, {"x": []}],
    }
    bulk.insert(session, Event, [_event(workspace, timestamp, properties)])
    (event,) = session.scalars(select(Event)).all()
    assert event.timestamp == timestamp
    assert event.timestamp.utcoffset() == dt.timedelta(0)
    assert event.properties == properties
    assert event.user_id is None
    assert event.signed is True


def test_it_finds_bulk_inserted_times_by_comparison(session: Session) -> None:
    workspace = workspaces.create(session, "Acme", now=NOW)
    bulk.insert(session, Event, [_event(workspace, NOW, {})])
    assert session.scalars(select(Event).where(Event.timestamp == NOW)).all()
    assert not session.scalars(select(Event).where(Event.timestamp < NOW)).all()


def test_it_rolls_back_a_bulk_insert(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        workspace = workspaces.create(session, "Acme", now=NOW)
    with sessions() as session:
        bulk.insert(session, Event, [_event(workspace, NOW, {})])
        session.rollback()
    with sessions() as session:
        assert session.scalars(select(Event)).all() == []


def test_it_refuses_a_naive_time(session: Session) -> None:
    session.add(Workspace(key="k", name="n", salt=b"s", created_at=NOW.replace(tzinfo=None)))
    with pytest.raises(Exception, match="naive datetime"):
        session.flush()


class TestSqlite:
    def test_it_takes_the_write_lock_before_the_first_read(self, sqlite_url: str) -> None:
        engine, path = _open(sqlite_url)
        with Session(engine) as session:
            begin_immediate(session)
            session.execute(text("SELECT 1"))
            other = sqlite3.connect(path, timeout=0)
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
            other.close()
        engine.dispose()

    def test_it_survives_a_power_cut_by_its_settings(self, sqlite_url: str) -> None:
        engine, _ = _open(sqlite_url)
        with engine.connect() as connection:
            pragmas = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "secure_delete", "foreign_keys", "wal_autocheckpoint")
            }
        engine.dispose()
        full = 2
        assert pragmas == {
            "journal_mode": "wal",
            "synchronous": full,
            "secure_delete": 1,
            "foreign_keys": 1,
            "wal_autocheckpoint": 0,
        }

    def test_a_savepoint_that_fails_leaves_the_rest(self, sqlite_url: str) -> None:
        engine, _ = _open(sqlite_url)
        with Session(engine) as session:
            workspaces.create(session, "kept", now=NOW)
            with pytest.raises(RuntimeError), session.begin_nested():
                workspaces.create(session, "dropped", now=NOW)
                raise RuntimeError
            session.commit()
            assert session.scalars(select(Workspace.name)).all() == ["kept"]
        engine.dispose()


def _open(url: str) -> tuple[Engine, Path]:
    return make_engine(url), Path(make_url(url).database or "")
