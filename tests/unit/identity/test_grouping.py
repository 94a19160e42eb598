"""Stories that only go wrong if much happens in one group: what is stored moves through people who never are.

Each has a part that is stored already and a part that comes at once. Random stories hardly ever find these.
"""

from typing import Any

import pytest

from productfruits.identity.people import Sighting
from tests.unit.identity.oracle import World
from tests.unit.identity.store import Store
from tests.unit.identity.stories import numbered, of_store, of_world, sighting

Story = list[Sighting]


def identify(user_id: str | None = None, **facts: Any) -> Sighting:
    return sighting("identify", user_id, **facts)


def track(user_id: str | None = None, **facts: Any) -> Sighting:
    return sighting("track", user_id, **facts)


def alias(previous_id: str, user_id: str, **facts: Any) -> Sighting:
    return sighting("alias", user_id, previous_id=previous_id, **facts)


def delete(user_id: str, **facts: Any) -> Sighting:
    return sighting("delete", user_id, **facts)


SHARED = [identify("ann", email="home@x"), identify("ben", email="home@x"), track("ben"), track("ann")]

STORIES: list[tuple[str, Story, Story]] = [
    (
        "an id parts before another user with events under that id comes in",
        [*SHARED, identify("pat", email="pat@x"), track("ben", email="pat@x"), identify("pat", clears=True, at=11)],
        [identify("ben", email="ben@x"), alias("pat", "ann")],
    ),
    (
        "an id parts after another user with events under that id came in",
        [*SHARED, identify("pat", email="pat@x"), track("ben", email="pat@x"), identify("pat", clears=True, at=11)],
        [alias("pat", "ann"), identify("ben", email="ben@x")],
    ),
    ("an id parts and is erased", SHARED, [identify("ben", email="ben@x"), delete("ben", at=5)]),
    ("all at once, an id parts and is erased", [], [*SHARED, identify("ben", email="ben@x"), delete("ben", at=5)]),
    (
        "all at once, an id parts and those who stay are erased",
        [],
        [*SHARED, identify("ben", email="ben@x"), delete("ann", at=5)],
    ),
    ("an id parts and those who stay are erased", SHARED, [identify("ben", email="ben@x"), delete("ann", at=5)]),
    (
        "an id parts, is erased, comes back by e-mail and parts again",
        SHARED,
        [
            identify("ben", email="ben@x"),
            delete("ben", at=11),
            track("ben", email="home@x", at=20),
            identify("ben", email="new@x", at=21),
        ],
    ),
    (
        "an id parts and comes back by an alias call",
        SHARED,
        [identify("ben", email="ben@x"), track("ben"), identify("ben", clears=True, at=11), alias("ben", "ann")],
    ),
    (
        "an id parts and goes on to somebody else",
        [*SHARED, identify("cat")],
        [identify("ben", email="ben@x"), alias("ben", "cat"), track("ben")],
    ),
    (
        "a stored user goes through one who never was to one who is new",
        [identify("one"), track("one"), track("two"), identify("one", plan="pro", at=5)],
        [identify("mid"), alias("one", "mid"), identify("end"), alias("mid", "end"), track("one")],
    ),
    (
        "a stored user goes through one who never was and is erased with that one",
        [identify("one"), track("one"), track(anonymous_id="x")],
        [identify("mid", anonymous_id="x"), alias("one", "mid"), delete("one", at=11)],
    ),
    (
        "a visitor joins one who is folded into a stored user",
        [track(anonymous_id="x"), identify(anonymous_id="x", plan="pro"), identify("ann")],
        [identify("new", anonymous_id="x"), track(anonymous_id="x"), alias("new", "ann")],
    ),
    (
        "a visitor joins one who is erased, says something new, and joins another",
        [identify(anonymous_id="x", plan="pro", at=1), track(anonymous_id="x", at=1)],
        [
            identify("ann", anonymous_id="x", at=2),
            delete("ann", at=5),
            identify(anonymous_id="x", city="Oslo", at=6),
            track(anonymous_id="x", at=7),
            identify("bob", anonymous_id="x", at=8),
        ],
    ),
    (
        "a visitor's idle alias parts with its id",
        [alias("ben", "ben", anonymous_id="x"), track(anonymous_id="x"), identify("ann", email="home@x")],
        [
            identify("ben", email="home@x"),
            identify("ann", anonymous_id="x"),
            identify("ben", email="ben@x"),
        ],
    ),
    (
        "what was kept with nobody joins before the id is erased, and stays",
        [alias("ben", "ben", anonymous_id="x", at=1), identify("ann", at=1)],
        [alias("ben", "ben", anonymous_id="x", at=2), identify("ann", anonymous_id="x", at=3), delete("ben", at=5)],
    ),
    (
        "what was kept with nobody joins after the id is erased, and is gone",
        [alias("ben", "ben", anonymous_id="x", at=1), identify("ann", at=1)],
        [alias("ben", "ben", anonymous_id="x", at=2), delete("ben", at=5), identify("ann", anonymous_id="x", at=6)],
    ),
    (
        "a conflict follows the one who is folded",
        [identify("ann", email="ann@x"), identify("bob"), identify("cat")],
        [track("bob", email="ann@x"), alias("bob", "cat")],
    ),
    (
        "a conflict with oneself is none",
        [identify("ann", email="ann@x"), identify("bob")],
        [track("bob", email="ann@x"), alias("bob", "ann")],
    ),
    (
        "a stored conflict follows through one who never was",
        [identify("ann", email="ann@x"), identify("bob"), track("bob", email="ann@x")],
        [identify("mid"), alias("bob", "mid"), identify("end"), alias("mid", "end")],
    ),
    (
        "a membership follows with the earlier time",
        [sighting("group", "old", group_id="g", at=9), sighting("group", "old", group_id="h", at=2), identify("ann")],
        [
            sighting("group", "ann", group_id="g", at=7),
            sighting("group", "ann", group_id="g", at=6),
            sighting("group", "ann", group_id="h", at=3),
            alias("old", "ann"),
        ],
    ),
    (
        "names and e-mails change hands",
        [identify("ann", email="ann@x", at=1), identify("bob", email="bob@x", at=1)],
        [
            delete("ann", at=5),
            identify("bob", email="ann@x", at=6),
            identify("ann", email="bob@x", at=7),
            alias("bob", "rob", at=8),
            identify("bob", at=9),
        ],
    ),
    (
        "a user is erased and comes back twice",
        [identify("ann", email="ann@x", anonymous_id="x", at=1), alias("old", "ann", at=1)],
        [
            delete("old", at=5),
            identify("ann", email="ann@x", anonymous_id="x", at=6),
            delete("ann", at=7),
            alias("old", "ann", at=8),
        ],
    ),
]


@pytest.mark.parametrize(
    ("stored", "at_once"), [(stored, at_once) for _, stored, at_once in STORIES], ids=[name for name, _, _ in STORIES]
)
def test_it_is_as_if_one_message_came_at_a_time(stored: Story, at_once: Story) -> None:
    story = numbered([*stored, *at_once])
    world, store = World(), Store()

    told = [world.receive(message) for message in story]
    verdicts = [v for part in (story[: len(stored)], story[len(stored) :]) for v in store.receive(part)]

    assert verdicts == told
    assert of_store(store) == of_world(world)
