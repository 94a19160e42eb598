"""What holds for every story, however odd: the properties that design and docs/matching-rule.md promise.

`HYPOTHESIS_EXAMPLES=20000 pytest tests/unit/identity/test_properties.py` searches longer.
"""

import copy
import os
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from productfruits.identity.people import VISIT_GAP, Sighting
from tests.unit.identity.oracle import World
from tests.unit.identity.store import Store
from tests.unit.identity.stories import cuts, grouped, numbered, of_store, of_world, sighting, sightings, stories

many = settings(max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", "200")), deadline=None)


@many
@given(stories(24), cuts(), st.booleans())
def test_the_result_does_not_depend_on_how_messages_are_grouped(
    story: list[Sighting], at: set[int], suppress: bool
) -> None:
    world, store = World(suppress), Store(suppress)

    told = [world.receive(message) for message in story]
    verdicts = [verdict for group in grouped(story, at) for verdict in store.receive(group)]

    assert verdicts == told
    assert of_store(store) == of_world(world)


@many
@given(stories(8), st.data())
def test_identifies_with_one_id_and_email_give_the_same_in_any_order(
    before: list[Sighting], data: st.DataObject
) -> None:
    """Whatever is known before, and whatever they say. Equal times and visits are left to the order of arrival."""
    user_id, email = data.draw(st.sampled_from("abc")), data.draw(st.sampled_from(("e@x", "f@x", "new@x")))
    traits: st.SearchStrategy[dict[str, Any]] = st.dictionaries(st.sampled_from("pqr"), st.sampled_from((None, 1, 2)))
    times = data.draw(st.lists(st.integers(1, 9), max_size=4, unique=True))
    trust = data.draw(st.sampled_from(("server", "public")))
    identifies = [
        sighting("identify", user_id, email=email, at=at, trust=trust, message_id=f"i{at}", **data.draw(traits))
        for at in times
    ]
    one, other = Store(), Store()
    for store, order in ((one, identifies), (other, data.draw(st.permutations(identifies)))):
        store.receive(before)
        store.receive(order)

    assert _without_visits(one) == _without_visits(other)
    assert {key: link["user"] for key, link in one.links.items()} == {
        k: link["user"] for k, link in other.links.items()
    }
    assert one.conflicts == other.conflicts


@many
@given(stories(), cuts())
def test_there_are_never_two_users_with_one_key(story: list[Sighting], at: set[int]) -> None:
    """The store itself refuses a username, e-mail or id that is taken, at every single step of writing."""
    store = Store()
    for group in grouped(story, at):
        store.receive(group)

        usernames = [row["username"] for row in store.users.values() if row["username"] is not None]
        emails = [row["email_key"] for row in store.users.values() if row["email_key"] is not None]
        ids = [*usernames, *(value for kind, value in store.links if kind == "user_id")]
        assert len(set(ids)) == len(ids)
        assert len(set(emails)) == len(emails)
        for (kind, _), link in store.links.items():
            assert link["user"] in store.users
            assert kind == "anonymous_id" or store.users[link["user"]]["username"] is not None


@many
@given(stories(), st.data())
def test_what_is_delivered_again_changes_nothing(story: list[Sighting], data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(story), max_size=20)) if story else []
    one, other = Store(), Store()

    one.receive_once(story)
    other.receive_once([*story, *again])
    other.receive_once(story)

    assert of_store(one) == of_store(other)


@many
@given(stories(10), sightings())
def test_what_is_said_twice_in_a_row_is_said_once(story: list[Sighting], message: Sighting) -> None:
    """Even without a message id to know it by: all that the second one adds is an event."""
    one, other = Store(), Store()
    first, second = numbered([*story, message, message])[-2:]
    for store, told in ((one, [first]), (other, [first, second])):
        store.receive(numbered(story))
        store.receive(told)

    once, twice = of_store(one), of_store(other)
    once.pop("events")
    twice.pop("events")
    assert once == twice


@many
@given(stories(), st.sampled_from("abcd"))
def test_nothing_older_comes_back_after_a_delete(story: list[Sighting], user_id: str) -> None:
    store = Store()
    store.receive(story)
    late = 90 + 3 * VISIT_GAP  # after all that a story tells
    store.receive([sighting("delete", user_id, at=late)])
    erased = of_store(store)

    verdicts = store.receive([sighting("identify", user_id, email="e@x", at=late), sighting("track", user_id, at=1)])

    assert set(verdicts) == {"tombstoned"}
    assert of_store(store) == erased
    assert all(row["username"] != user_id for row in store.users.values())
    assert ("user_id", user_id) not in store.links


@many
@given(stories(), st.data())
def test_the_public_takes_nobody_s_email_and_unites_and_erases_nobody(
    story: list[Sighting], data: st.DataObject
) -> None:
    """Whatever is sent with the write key: who has a username keeps it and, without an id of theirs, all the rest."""
    store = Store()
    store.receive([message for message in story if message.trust == "server"])
    before, links = copy.deepcopy(store.users), copy.deepcopy(store.links)
    said = [msgspec.structs.replace(message, trust="public") for message in data.draw(stories(8))]

    store.receive(said)

    for user, row in before.items():
        if row["username"] is not None:
            ids = {row["username"], *(value for (_, value), link in links.items() if link["user"] == user)}
            assert store.users[user]["username"] == row["username"]
            if not any(message.user_id in ids or message.previous_id in ids for message in said):
                for column in ("email", "email_at", "traits", "trait_times"):
                    assert store.users[user][column] == row[column]


def _without_visits(store: Store) -> dict[str, dict[str, Any]]:
    return {
        user: {name: value for name, value in facts.items() if not name.startswith("visit")}
        for user, facts in store.users.items()
    }
