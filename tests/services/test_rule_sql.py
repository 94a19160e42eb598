"""A rule in SQL finds exactly the users who meet it in memory: random rules over random users, on both databases."""

import datetime as dt
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from productfruits.adoption import evaluate, rule_schemas, rules
from productfruits.adoption.subjects import EventCount
from productfruits.models import User, Workspace
from productfruits.services import rule_sql, subjects
from tests.services import factories

NOW = dt.datetime(2030, 5, 10, 12, 0, 0, 500_000, tzinfo=dt.UTC)
NAMES = ("plan", "firstName", "first_name", "a b.c[0]$", "Größe 😀", "tags")
TEXTS = ("", "pro", "Pro", "pro ", "10", "true", "ß", "ss", "é", "é", "😀", "a%b_c*?", "'\"\\", "\u2028", "[]", "{}")
TIMES = (
    "2030-05-10",
    "2030-05-10T12:00",
    "2030-05-10 12:00:00",
    "2030-05-10T12:00:00.999Z",
    "2030-05-10T12:00:01Z",
    "2030-05-10T10:00:00-02:00",
    "2030-05-10T23:59:59+23:59",
    "2030-05-03T12:00:00Z",
    "2030-05-03T11:59:59.9Z",
    "2029-02-29",
    "2030-02-31T00:00:00Z",
    "9999-12-31T23:59:59-23:59",
    "1000-01-01",
)
NO_TIMES = (
    "0999-01-01",
    "2030-13-01",
    "2030-05-00",
    "2030-05-10T24:00",
    "2030-05-10T12:60",
    "2030-05-10T12:00:00.Z",
    "2030-05-10T12:00:00+2:00",
    "2030-05-10T12:00:00+24:00",
    "2030-05-10Z",
    "2030-05-10 ",
    "2030-05-10\n",
    "٢٠٣٠-05-10",
    "1900000000",
)
NUMBERS = (
    0,
    1,
    -1,
    10,
    2**53 - 1,
    2**53,
    2**63,
    -(2**63) - 1,
    2**70,
    10**400,
    0.1,
    1.0,
    10.5,
    -0.0,
    1e-7,
    1e300,
    5e-324,
)
KEYS = ("welcome", "setup", "unheard-of")
EVENTS = [EventCount(name, days) for name in ("Paid", "Opened") for days in (None, 1, 7)]

scalars = st.one_of(
    st.sampled_from((*TEXTS, *TIMES, *NO_TIMES, *NUMBERS, True, False)),
    st.integers(-(2**64), 2**64),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4),
)
values = st.one_of(
    scalars,
    scalars,
    st.lists(st.one_of(scalars, st.none(), st.lists(scalars, max_size=1), st.just({"a": 1})), max_size=3),
    st.dictionaries(st.sampled_from(NAMES), scalars, max_size=2),
)
documents = st.dictionaries(st.sampled_from(NAMES), values, max_size=4)
people = st.fixed_dictionaries(
    {
        "traits": documents,
        "email": st.sampled_from((None, "Ann@Example.com", "b@x", "é@x")),
        "age": st.sampled_from((0, 1, 86_399, 86_400, 86_401, 7 * 86_400, 7 * 86_400 + 1)),
        "visits": st.sampled_from((1, 2, 10)),
        "groups": st.sets(st.sampled_from(("acme", "beta")), max_size=2),
        "events": st.lists(st.tuples(st.sampled_from(("Paid", "Opened")), st.integers(0, 9)), max_size=4),
        "states": st.dictionaries(st.sampled_from(KEYS[:2]), st.sampled_from(rule_schemas.STATES), max_size=2),
    }
)
stores = st.tuples(st.lists(people, min_size=1, max_size=12), st.fixed_dictionaries({"acme": documents}))


words = st.one_of(st.sampled_from(TEXTS[1:]), st.sampled_from(("0", "2030", "Z", "0Z", "Ann", "@", "user-1")))
numbers = st.one_of(st.sampled_from((0, 1, 2, 10, 0.1, 10.5, -1, 2**53 - 1)), st.floats(-1e15, 1e15))
said = st.one_of(
    words, numbers, st.booleans(), st.sampled_from((*TIMES, *NO_TIMES)), st.integers(-(2**53) + 1, 2**53 - 1)
)


def comparison(op: str, scalars: st.SearchStrategy[Any] = said) -> st.SearchStrategy[dict[str, Any]]:
    """The operator with a value that it takes."""
    if op in rule_schemas.NO_VALUE:
        return st.just({"op": op})
    if op in rule_schemas.NUMBER:
        value: st.SearchStrategy[Any] = numbers
    elif op in rule_schemas.TIME:
        value = st.sampled_from([time for time in TIMES if time[0] == "2"])
    elif op in rule_schemas.DAYS:
        value = st.sampled_from((1, 7, 3_650))
    elif op in rule_schemas.PART:
        value = words if op.endswith("_with") else st.one_of(words, numbers, st.booleans())
    else:
        value = st.lists(scalars, min_size=1, max_size=4) if op == "one_of" else scalars
    return value.map(lambda value: {"op": op, "value": value})


comparisons = st.sampled_from(rule_schemas.OPS).flatmap(comparison)


def computed_field(name: str, op: str) -> st.SearchStrategy[dict[str, Any]]:
    compared = comparison(op, numbers if name == "visits" else words)
    return compared.map(lambda compared: {"kind": "computed", "name": name, **compared})


computed = st.one_of(*(computed_field(name, op) for name, ops in rule_schemas.COMPUTED.items() for op in ops))


traits = st.builds(
    lambda name, compared: {"kind": "trait", "name": name, **compared},
    st.sampled_from((*NAMES, "email")),
    comparisons,
)
leaves = st.one_of(
    traits,
    traits,
    computed,
    st.sampled_from(
        [
            {"kind": "group"},
            {"kind": "group", "group_id": "beta"},
            {"kind": "audience", "key": "pros"},
            {"kind": "audience", "key": "gone"},
            {"kind": "url", "op": "is", "value": "/"},
            {"kind": "device_width", "op": "at_most", "value": 600},
        ]
    ),
    st.builds(
        lambda name, compared, group: {"kind": "group", "name": name, **compared, **group},
        st.sampled_from(NAMES),
        comparisons,
        st.sampled_from(({}, {"group_id": "acme"})),
    ),
    st.builds(
        lambda ask, often: {"kind": "event", "name": ask.name, **({"in_days": ask.days} if ask.days else {}), **often},
        st.sampled_from(EVENTS),
        st.sampled_from(({}, {"at_least": 2}, {"at_most": 0}, {"at_most": 1}, {"at_least": 1, "at_most": 2})),
    ),
    st.builds(
        lambda key, state: {"kind": "content", "key": key, "state": state},
        st.sampled_from(KEYS),
        st.sampled_from(rule_schemas.STATES),
    ),
)
trees: st.SearchStrategy[Any] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda nodes: {"all": nodes}),
        st.lists(inner, min_size=1, max_size=3).map(lambda nodes: {"any": nodes}),
        inner.map(lambda node: {"not": node}),
    ),
    max_leaves=6,
)


@pytest.fixture
def contents(sessions: sessionmaker[Session]) -> dict[str, int]:
    """Two contents, of which one was reset for everybody a moment ago."""
    with sessions.begin() as session:
        owner = factories.workspace(session)
        welcome = factories.content(session, owner, "welcome")
        setup = factories.content(session, owner, "setup", reset_at=NOW)
        return {"welcome": welcome.id, "setup": setup.id}


@settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(store=stores, written=st.lists(trees, min_size=12, max_size=12))
def test_sql_and_memory_give_the_same_answer(
    sessions: sessionmaker[Session], contents: dict[str, int], store: Any, written: list[Any]
) -> None:
    audiences = {"pros": rules.parse({"kind": "trait", "name": "plan", "op": "is", "value": "pro"})}
    parsed = [rules.parse(document) for document in written]
    with sessions() as session:
        owner = session.scalars(select(Workspace)).one()
        _furnish(session, owner, contents, store)
        users = {
            user_id: subjects.load(session, owner.id, user_id, None, EVENTS, NOW)
            for user_id in session.scalars(select(User.id).where(User.workspace_id == owner.id))
        }
        for rule in parsed:
            compiled = evaluate.compile(rule, audiences)
            met = {user_id for user_id, subject in users.items() if compiled.apply(subject, NOW) is not False}
            condition = rule_sql.condition(session, owner.id, rule, audiences, NOW)
            assert set(session.scalars(select(User.id).where(condition))) == met, rule.document
        session.rollback()


def _furnish(session: Session, owner: Workspace, contents: dict[str, int], store: Any) -> None:
    everybody, groups = store
    stranger = factories.workspace(session, "Stranger")
    factories.user(session, stranger, "stranger", traits={"plan": "pro"})
    for number, facts in enumerate(everybody):
        seen = NOW - dt.timedelta(seconds=facts["age"])
        email = facts["email"] and f"{number}{facts['email']}"
        user = factories.user(
            session,
            owner,
            f"user-{number}",
            email,
            traits=facts["traits"],
            first_seen_at=seen,
            last_seen_at=seen,
            visits=facts["visits"],
        )
        for group_id in facts["groups"]:
            factories.member(session, user, group_id, **groups.get(group_id, {}))
        for name, days in facts["events"]:
            factories.event(session, owner, user, name=name, timestamp=NOW - dt.timedelta(days=days))
            factories.event(session, owner, user, name=name, type="page", timestamp=NOW)
        for key, state in facts["states"].items():
            factories.content_state(
                session, user, contents[key], state, at=NOW + dt.timedelta(seconds=number % 2 - 0.5)
            )
