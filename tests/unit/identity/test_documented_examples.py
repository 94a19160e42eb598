"""The examples in docs/matching-rule.md are played as they stand there."""

import datetime as dt
import re
from pathlib import Path

import pytest

from productfruits.identity.keys import NO_CLAIM, EmailClaim, email_key
from productfruits.identity.people import Sighting
from tests.unit.identity.store import Store

Row = tuple[str, str, str]
GUIDE = Path(__file__).parents[3] / "docs" / "matching-rule.md"
FIELDS = {"userId": "user_id", "anonymousId": "anonymous_id", "previousId": "previous_id", "groupId": "group_id"}


def examples() -> list[list[Row]]:
    """Return the tables whose columns are message, with, matched."""
    tables = re.findall(r"\| Message \| With \| Matched \|\n\|[-|]+\|\n((?:\|.*\|\n)+)", GUIDE.read_text())
    rows = [[tuple(cell.strip() for cell in line.strip("|").split("|")) for line in t.splitlines()] for t in tables]
    return [[(message.strip("`"), user, matched) for message, user, matched in table] for table in rows]


def read(number: int, text: str) -> Sighting:
    words = text.split()
    trust = words.pop(0) if words[0] == "public" else "server"
    kind, facts = words[0], dict(word.split("=", 1) for word in words[1:])
    email = facts.pop("email", None)
    at = int(dt.timedelta(days=int(facts.pop("day", number))) / dt.timedelta(microseconds=1))
    ids = dict.fromkeys(FIELDS.values()) | {FIELDS[name]: facts.pop(name) for name in FIELDS if name in facts}
    claim = NO_CLAIM if email is None else EmailClaim(email, email_key(email))
    return Sighting(
        kind,
        str(number),
        **ids,
        email=claim,
        traits=facts,
        at=at,
        received=at,
        trust="public" if trust == "public" else "server",
    )


@pytest.mark.parametrize("table", examples(), ids=lambda table: table[0][0])
def test_the_guide_tells_what_happens(table: list[Row]) -> None:
    store = Store()
    matched = [store.receive([read(number, message)])[0] for number, (message, _, _) in enumerate(table, start=1)]
    events = {event["message"]: event for event in store.events}
    told = []
    for number, (message, _, _) in enumerate(table, start=1):
        event = events.get(str(number))
        # What was stored and is gone was erased by a later message.
        verdict = matched[number - 1].replace("stored", "erased")
        user = event and event["user"] and store.users[event["user"]]["username"]
        told.append((message, user or "-", event["matched_by"] if event else verdict))

    assert told == table


def test_the_guide_has_an_example_for_most_rules() -> None:
    assert len(examples()) >= 9
