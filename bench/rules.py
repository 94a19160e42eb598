"""How long 50 rules take for one subject in memory, and how long SQL counts the users whom one rule finds."""

import datetime as dt
import random
import statistics
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from bench.stores import Stores
from productfruits.adoption import evaluate, rules
from productfruits.adoption.evaluate import Compiled
from productfruits.adoption.subjects import EventCount, Subject
from productfruits.database import make_engine, make_sessions, migrate
from productfruits.models import Event, User, Workspace
from productfruits.services import audiences, user_ids, workspaces

RULES = 50
SUBJECTS = 500
NOW = dt.datetime(2030, 5, 6, tzinfo=dt.UTC)
PLANS, ROLES = ("free", "pro", "team", "enterprise"), ("admin", "member", "viewer")
PORTION = 1_000


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All rules for one subject: microseconds, and how many conditions a rule has on average."""

    p50_us: float
    p99_us: float
    conditions: float
    compile_ms: float


@dataclass(frozen=True, slots=True)
class Counted:
    """A count over all users of a store."""

    database: str
    users: int
    rule: str
    found: int
    ms: float


def evaluation(seed: int = 7) -> Evaluation:
    """Evaluate 50 nested rules for each of 500 subjects, pass after pass, and take every subject's best."""
    chance = random.Random(seed)
    parsed = [rules.parse(rule(chance)) for _ in range(RULES)]
    begun = time.perf_counter()
    compiled = [evaluate.compile(rule, {}) for rule in parsed]
    compile_ms = (time.perf_counter() - begun) * 1_000
    subjects = [_subject(chance) for _ in range(SUBJECTS)]
    passes = [[_timed(compiled, subject) for subject in subjects] for _ in range(5)]
    best = [min(times) for times in zip(*passes, strict=True)]
    conditions = statistics.mean(sum(1 for _ in rule.leaves()) for rule in parsed)
    return Evaluation(statistics.median(best), statistics.quantiles(best, n=100)[98], conditions, compile_ms)


def counted(stores: Stores, users: int) -> list[Counted]:
    """Count the users of a few rules in a store of that many users with three events each."""
    url = stores.make("rules").driver_url
    migrate(url)
    engine = make_engine(url)
    with make_sessions(engine).begin() as session:
        owner = workspaces.create(session, "Bench", NOW)
        fill(session, owner, users)
    with engine.begin() as connection:
        # Postgres does it by itself within a minute. Until then it plans for empty tables, and may take minutes.
        connection.execute(text("ANALYZE"))
    results = []
    for name, document in COUNTED.items():
        with make_sessions(engine)() as session:
            times, found = [], 0
            for _ in range(3):
                begun = time.perf_counter()
                found = audiences.count(session, owner.id, rules.parse(document), NOW).users
                times.append((time.perf_counter() - begun) * 1_000)
        results.append(Counted(stores.kind, users, name, found, statistics.median(times)))
    engine.dispose()
    return results


COUNTED: dict[str, Any] = {
    "a trait": {"kind": "trait", "name": "plan", "op": "is", "value": "pro"},
    "four traits, nested": {
        "all": [
            {"kind": "trait", "name": "plan", "op": "one_of", "value": ["pro", "team"]},
            {
                "any": [
                    {"kind": "trait", "name": "seats", "op": "at_least", "value": 50},
                    {"kind": "trait", "name": "role", "op": "is", "value": "admin"},
                ]
            },
            {"kind": "trait", "name": "createdAt", "op": "in_last_days", "value": 30},
        ]
    },
    "an event, at least twice in 7 days": {"kind": "event", "name": "Opened", "at_least": 2, "in_days": 7},
}


def _timed(compiled: list[Compiled], subject: Subject) -> float:
    begun = time.perf_counter_ns()
    evaluate.apply_all(compiled, subject, NOW)
    return (time.perf_counter_ns() - begun) / 1_000


def rule(chance: random.Random) -> Any:
    """As rules are written: all of a few things, some of them one of several, 12 or 13 conditions."""
    return {
        "all": [
            {"any": [_leaf(chance) for _ in range(chance.randint(2, 4))]},
            {"all": [_leaf(chance) for _ in range(2)]},
            {"not": {"all": [_leaf(chance), _leaf(chance)]}},
            {"any": [{"all": [_leaf(chance), _leaf(chance)]}, {"any": [_leaf(chance), _leaf(chance)]}]},
            _leaf(chance),
        ]
    }


def _leaf(chance: random.Random) -> dict[str, Any]:
    return chance.choice(
        (
            {"kind": "trait", "name": "plan", "op": "is", "value": chance.choice(PLANS)},
            {"kind": "trait", "name": "role", "op": "is_not", "value": chance.choice(ROLES)},
            {"kind": "trait", "name": "seats", "op": "at_least", "value": chance.randint(1, 90)},
            {"kind": "trait", "name": "country", "op": "one_of", "value": ["CZ", "DE", "AT", "SK"]},
            {"kind": "trait", "name": "firstName", "op": "exists"},
            {"kind": "computed", "name": "first_seen", "op": "in_last_days", "value": chance.randint(1, 60)},
            {"kind": "computed", "name": "visits", "op": "at_least", "value": chance.randint(1, 9)},
            {"kind": "event", "name": "Opened", "at_least": chance.randint(1, 3), "in_days": 7},
            {"kind": "content", "key": "welcome", "state": "completed"},
            {"kind": "url", "op": "glob", "value": "/projects/*"},
        )
    )


def _subject(chance: random.Random) -> Subject:
    return Subject(
        is_known=True,
        username="ann",
        traits=traits(chance),
        first_seen=NOW - dt.timedelta(days=chance.randint(0, 90)),
        last_seen=NOW,
        visits=chance.randint(1, 20),
        event_counts={EventCount("Opened", 7): chance.randint(0, 4)},
        contents={"welcome": chance.choice(("completed", "in_progress"))},
    )


def traits(chance: random.Random) -> dict[str, Any]:
    return {
        "plan": chance.choice(PLANS),
        "role": chance.choice(ROLES),
        "seats": chance.randint(1, 100),
        "country": chance.choice(("CZ", "DE", "US", "FR")),
        "first_name": "Ann",
        "createdAt": (NOW - dt.timedelta(days=chance.randint(0, 365))).isoformat(),
    }


def fill(session: Session, owner: Workspace, users: int) -> None:
    chance = random.Random(3)
    for begin in range(0, users, PORTION):
        people = [
            {
                "id": user_ids.new(),
                "workspace_id": owner.id,
                "username": f"user-{n}",
                "traits": traits(chance),
                "trait_times": {},
                "first_seen_at": NOW,
                "last_seen_at": NOW,
                "changed_at": NOW,
                "created_at": NOW,
            }
            for n in range(begin, min(begin + PORTION, users))
        ]
        session.execute(insert(User), people)
        session.execute(
            insert(Event),
            [
                {
                    "workspace_id": owner.id,
                    "user_id": person["id"],
                    "type": "track",
                    "name": chance.choice(("Opened", "Paid")),
                    "message_id": f"{person['id']}-{n}",
                    "timestamp": NOW - dt.timedelta(days=chance.randint(0, 30)),
                    "received_at": NOW,
                    "source": "webhook",
                    "signed": True,
                    "matched_by": "username",
                    "properties": {},
                    "context": {},
                }
                for person in people
                for n in range(3)
            ],
        )
