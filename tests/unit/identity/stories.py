"""Random stories of messages over few ids and e-mails, so that people collide often."""

import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from productfruits.identity.keys import NO_CLAIM, EmailClaim, email_key
from productfruits.identity.people import VISIT_GAP, Sighting
from tests.unit.identity.oracle import World
from tests.unit.identity.store import Store, digest

IDS = ("a", "b", "c", "d")
# "d" is both: a previous id that is a user id to one sender and an anonymous id to another.
ANONYMOUS_IDS = ("x", "y", "d")
EMAILS = ("e@x", "E@x", "f@x", "g@x")


def sighting(
    kind: str = "track",
    user_id: str | None = None,
    *,
    anonymous_id: str | None = None,
    previous_id: str | None = None,
    group_id: str | None = None,
    email: str | None = None,
    clears: bool = False,
    at: int = 10,
    trust: Any = "server",
    message_id: str | None = None,
    **traits: Any,
) -> Sighting:
    """Return what the rule sees of one message; what is not named is not in it."""
    claim = EmailClaim(email, email_key(email)) if email else EmailClaim(clears=True) if clears else NO_CLAIM
    return Sighting(
        kind, message_id, user_id, anonymous_id, previous_id, group_id, claim, traits, at, received=at, trust=trust
    )


#: What a message can consist of; the simplest first, since a failing story is cut down to the first ones.
#: Less than 2**24 combinations: of larger ranges Hypothesis draws small numbers by far too often.
CHOICES: dict[str, Sequence[Any]] = {
    "kind": ("track", "identify", "identify", "identify", "group", "page", "alias", "alias", "delete"),
    "user_id": (None, *IDS),
    "anonymous_id": (None, None, *ANONYMOUS_IDS),
    "email": (None, None, *EMAILS),
    "previous_id": (None, *IDS, *ANONYMOUS_IDS),
    "group_id": ("g", None, "h"),
    "trust": ("server", "server", "public"),
    "clears": (False, False, True),
    "at": (1, 2, 3, 3 + VISIT_GAP, 4 + VISIT_GAP),
    "p": ("absent", 1, None),
    "q": ("absent", 1, None),
}


#: The same for stories in which people part, unite and go, again and again.
COLLIDING: dict[str, Sequence[Any]] = {
    "kind": ("track", "identify", "identify", "alias", "alias", "delete"),
    "user_id": ("a", "b", "c", "d"),
    "anonymous_id": (None, None, None, "x"),
    "email": (None, "e@x", "f@x"),
    "previous_id": ("a", "b", "c", "x"),
    "group_id": (None,),
    "trust": ("server",),
    "clears": (False, True),
    "at": (3, 4, 4 + VISIT_GAP, 6 + 2 * VISIT_GAP),
    "p": ("absent", 1, None),
    "q": ("absent",),
}


def decode(number: int, choices: Mapping[str, Sequence[Any]]) -> Sighting:
    """Return the message that a number stands for: one number is drawn much faster than a dozen choices."""
    chosen: dict[str, Any] = {}
    for name, values in choices.items():
        number, index = divmod(number, len(values))
        chosen[name] = values[index]
    kind, email = chosen["kind"], chosen["email"]
    traits = {name: chosen.pop(name) for name in ("p", "q")}
    if kind != "alias":
        chosen["previous_id"] = None
    if kind != "group":
        chosen["group_id"] = None
    chosen["clears"] = kind == "identify" and email is None and chosen["clears"]
    if kind == "identify":
        chosen |= {name: value for name, value in traits.items() if value != "absent"}
    return sighting(**chosen)


def sightings(choices: Mapping[str, Sequence[Any]] = CHOICES) -> st.SearchStrategy[Sighting]:
    return st.integers(0, math.prod(map(len, choices.values())) - 1).map(lambda number: decode(number, choices))


def stories(max_size: int = 16) -> st.SearchStrategy[list[Sighting]]:
    return st.one_of(st.lists(sightings(), max_size=max_size), st.lists(sightings(COLLIDING), max_size=max_size)).map(
        numbered
    )


def numbered(story: Sequence[Sighting]) -> list[Sighting]:
    """Give every message an id of its own."""
    return [dataclasses.replace(m, message_id=f"m{number}") for number, m in enumerate(story)]


def grouped(story: Sequence[Sighting], cuts: Collection[int]) -> list[list[Sighting]]:
    """Cut a story into groups: a new one begins with each message whose number is given."""
    groups: list[list[Sighting]] = [[]]
    for number, message in enumerate(story):
        if number in cuts:
            groups.append([])
        groups[-1].append(message)
    return groups


def cuts() -> st.SearchStrategy[set[int]]:
    """Few cuts, since most can go wrong where much is stored already and much comes at once."""
    return st.sets(st.integers(1, 20), max_size=3)


def of_world(world: World) -> dict[str, Any]:
    """Return what the oracle holds in the form in which two of them are compared."""
    users = {
        user: {
            "username": facts["username"],
            "email": facts["email"],
            "email_key": email_key(facts["email"]),
            "email_at": facts["email_at"],
            "traits": {name: value for name, (value, _) in facts["traits"].items() if value is not None},
            "trait_times": {name: at for name, (_, at) in facts["traits"].items()},
            "first_seen": facts["first"],
            "visits": facts["visits"],
            "visit_began": facts["visit"],
            "last_seen": facts["last"],
        }
        for user, facts in world.users.items()
    }
    visitors = {
        anonymous_id: {
            "traits": {name: value for name, (value, _) in told["traits"].items() if value is not None},
            "trait_times": {name: at for name, (_, at) in told["traits"].items()},
            "group_ids": told["groups"],
        }
        for anonymous_id, told in world.visitors.items()
    }
    return {
        "users": users,
        "links": world.links,
        "visitors": visitors,
        "events": world.events,
        "members": world.members,
        "conflicts": world.conflicts,
        "tombstones": {digest(*key): at for key, at in world.tombstones.items()},
    }


def of_store(store: Store) -> dict[str, Any]:
    """Return what a store holds in the same form."""
    return {
        "users": store.users,
        "links": store.links,
        "visitors": store.visitors,
        "events": store.events,
        "members": store.members,
        "conflicts": store.conflicts,
        "tombstones": store.tombstones,
    }
