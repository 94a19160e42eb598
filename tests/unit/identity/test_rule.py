"""The matching rule as a table: each row is one sentence of it, a short story, and what is known afterwards.

Every story runs twice: as one group of messages and as one group for each message.
"""

from typing import Any

import pytest

from productfruits.identity.people import VISIT_GAP, Sighting
from tests.unit.identity.store import Store
from tests.unit.identity.stories import grouped, numbered, sighting

Story = list[Sighting]


def identify(user_id: str | None = None, **facts: Any) -> Sighting:
    return sighting("identify", user_id, **facts)


def track(user_id: str | None = None, **facts: Any) -> Sighting:
    return sighting("track", user_id, **facts)


def group(user_id: str | None = None, **facts: Any) -> Sighting:
    return sighting("group", user_id, **facts)


def alias(previous_id: str | None, user_id: str | None, **facts: Any) -> Sighting:
    return sighting("alias", user_id, previous_id=previous_id, **facts)


def delete(user_id: str | None, **facts: Any) -> Sighting:
    return sighting("delete", user_id, **facts)


def public(message: Sighting) -> Sighting:
    return sighting(
        message.kind,
        message.user_id,
        anonymous_id=message.anonymous_id,
        previous_id=message.previous_id,
        group_id=message.group_id,
        email=message.email.text,
        clears=message.email.clears,
        at=message.at,
        trust="public",
        **message.traits,
    )


#: (the sentence, the story, what is known afterwards). `users`: username, or e-mail key where there is none, to what is
#: known; `ids` are further ids, `anonymous` the anonymous ones. `matched`: how each stored message found its place.
RULES: list[tuple[str, Story, dict[str, Any]]] = [
    # Rule 1
    (
        "1: the user who owns the e-mail is the one, whatever the id",
        [identify("ann", email="ann@x"), track("other", email="ANN@x ")],
        {"users": {"ann": {"email": "ann@x", "ids": ["other"]}}, "matched": ["created", "email"]},
    ),
    (
        "1: an e-mail alone is enough",
        [identify(email="ann@x"), track(email="ann@x")],
        {"users": {"ann@x": {"email": "ann@x"}}, "matched": ["created", "email"]},
    ),
    # Rule 2
    (
        "2: else the user whose username it is",
        [identify("ann"), track("ann")],
        {"users": {"ann": {}}, "matched": ["created", "username"]},
    ),
    (
        "2: else the user whose former id it is",
        [identify("ann"), alias("ann", "anna"), track("ann")],
        {"users": {"anna": {"ids": ["ann"], "anonymous": []}}, "matched": ["created", "alias", "alias"]},
    ),
    (
        "2: else the user whose aliased id it is",
        [identify("ann"), alias("old", "ann"), track("old")],
        {
            "users": {"ann": {"ids": ["old"], "anonymous": ["old"]}},
            "matched": ["created", "username", "alias"],
        },
    ),
    # Rule 3
    (
        "3: else a user is created",
        [track("ann"), track("bob", email="bob@x")],
        {"users": {"ann": {}, "bob": {"email": "bob@x"}}, "matched": ["created", "created"]},
    ),
    (
        "3: an anonymous id alone creates nobody",
        [track(anonymous_id="x"), identify(anonymous_id="x", plan="free")],
        {"users": {}, "matched": ["anonymous", "anonymous"], "placed": [None, None]},
    ),
    (
        "3: what an anonymous id did and said joins the user when an identify links it, each trait by its own time",
        [
            identify(anonymous_id="x", at=10, plan="free", city="Oslo"),
            track(anonymous_id="x", at=30),
            identify("ann", at=5, plan="pro", lang="no"),
            identify("ann", anonymous_id="x", at=20, lang="en"),
        ],
        {
            "users": {"ann": {"anonymous": ["x"], "traits": {"plan": "free", "city": "Oslo", "lang": "en"}}},
            "matched": ["anonymous", "anonymous", "created", "username"],
            "placed": ["ann", "ann", "ann", "ann"],
        },
    ),
    (
        "3: an identify by e-mail links as well",
        [track(anonymous_id="x"), identify(anonymous_id="x", email="ann@x")],
        {"users": {"ann@x": {"email": "ann@x", "anonymous": ["x"]}}, "placed": ["ann@x", "ann@x"]},
    ),
    (
        "3: an alias links",
        [track(anonymous_id="x"), alias("x", "ann"), track(anonymous_id="x")],
        {
            "users": {"ann": {"ids": ["x"], "anonymous": ["x"]}},
            "matched": ["anonymous", "created", "alias"],
            "placed": ["ann", "ann", "ann"],
        },
    ),
    (
        "3: a track, page, screen or group that carries both ids does not link",
        [
            track(anonymous_id="x"),
            track("ann", anonymous_id="x"),
            sighting("page", "ann", anonymous_id="x"),
            sighting("screen", "ann", anonymous_id="x"),
            group("ann", anonymous_id="x", group_id="g"),
        ],
        {"users": {"ann": {"anonymous": [], "groups": ["g"]}}, "placed": [None, "ann", "ann", "ann", "ann"]},
    ),
    (
        "3: a linked anonymous id stays with its first user",
        [identify("ann", anonymous_id="x"), identify("bob", anonymous_id="x"), track(anonymous_id="x")],
        {
            "users": {"ann": {"anonymous": ["x"]}, "bob": {"anonymous": []}},
            "matched": ["created", "created", "alias"],
            "placed": ["ann", "bob", "ann"],
        },
    ),
    (
        "3: a message without any id is kept nowhere",
        [track(), identify(plan="free"), group(group_id="g"), alias("old", None)],
        {"users": {}, "matched": [], "verdicts": ["no_id"] * 4},
    ),
    # Rule 4
    (
        "4: the user found by e-mail takes the id as username if there is none",
        [identify(email="ann@x"), identify("ann", email="ann@x")],
        {"users": {"ann": {"email": "ann@x", "ids": []}}, "matched": ["created", "email"]},
    ),
    (
        "4: but not if somebody else owns it",
        [identify(email="ann@x"), identify("bob"), identify("bob", email="ann@x", plan="pro")],
        {
            "users": {"ann@x": {"email": "ann@x", "traits": {"plan": "pro"}}, "bob": {"email": None, "traits": {}}},
            "conflicts": {("email_and_id", "ann@x", "bob")},
            "placed": ["ann@x", "bob", "ann@x"],
        },
    ),
    (
        "4: a second id that nobody owns becomes an alias",
        [identify("ann", email="ann@x"), identify("ann2", email="ann@x"), track("ann2")],
        {"users": {"ann": {"ids": ["ann2"], "how": ["email"]}}, "matched": ["created", "email", "alias"]},
    ),
    (
        "4: if e-mail and id lead to two users, the e-mail's is updated, the other untouched, nobody merged",
        [identify("ann", email="ann@x"), identify("bob", at=1), identify("bob", email="ann@x", plan="pro")],
        {
            "users": {"ann": {"traits": {"plan": "pro"}}, "bob": {"traits": {}, "email": None}},
            "conflicts": {("email_and_id", "ann", "bob")},
            "matched": ["created", "created", "email"],
        },
    ),
    (
        "4: an alias by e-mail alone that later brings an e-mail nobody owns leaves; its events go along, traits stay",
        [
            identify("ann", email="home@x"),
            identify("ben", email="home@x", plan="pro"),
            track("ben"),
            track("ann"),
            identify("ben", email="ben@x", city="Oslo"),
        ],
        {
            "users": {
                "ann": {"email": "home@x", "ids": [], "traits": {"plan": "pro"}},
                "ben": {"email": "ben@x", "traits": {"city": "Oslo"}},
            },
            "matched": ["created", "email", "alias", "username", "created"],
            "placed": ["ann", "ben", "ben", "ann", "ben"],
            "conflicts": set(),
        },
    ),
    (
        "4: an alias call makes an id stay, even one that came by e-mail",
        [
            identify("ann", email="home@x"),
            identify("ben", email="home@x"),
            alias("ben", "ann"),
            identify("ben", email="ben@x"),
        ],
        {"users": {"ann": {"email": "ben@x", "ids": ["ben"], "how": ["alias"]}}, "placed": ["ann"] * 4},
    ),
    (
        "4: an alias by e-mail that brings somebody else's e-mail is that user's message",
        [
            identify("ann", email="home@x"),
            identify("ben", email="home@x"),
            identify("cat", email="cat@x"),
            track("ben", email="cat@x"),
        ],
        {
            "users": {"ann": {"email": "home@x", "ids": ["ben"]}, "cat": {"email": "cat@x", "ids": []}},
            "placed": ["ann", "ann", "cat", "cat"],
            "conflicts": {("email_and_id", "ann", "cat")},
        },
    ),
    # Rule 5
    (
        "5: per trait the newest wins, and a late retry only fills gaps",
        [identify("ann", at=30, plan="pro"), identify("ann", at=10, plan="free", city="Bern")],
        {"users": {"ann": {"traits": {"plan": "pro", "city": "Bern"}}}},
    ),
    (
        "5: on equal times the later arrival wins",
        [identify("ann", plan="free"), identify("ann", plan="pro")],
        {"users": {"ann": {"traits": {"plan": "pro"}}}},
    ),
    (
        "5: null clears, absence keeps, and what is older does not come back",
        [
            identify("ann", at=10, plan="free", city="Bern"),
            identify("ann", at=20, plan=None),
            identify("ann", at=15, plan="pro"),
        ],
        {"users": {"ann": {"traits": {"city": "Bern"}}}},
    ),
    (
        "5: the newest e-mail wins, too, and a former one is free again",
        [
            identify("ann", email="old@x", at=10),
            identify("ann", email="new@x", at=20),
            identify("ann", email="older@x", at=15),
            identify("bob", email="old@x", at=30),
        ],
        {"users": {"ann": {"email": "new@x"}, "bob": {"email": "old@x"}}, "conflicts": set()},
    ),
    (
        "5: an explicit null clears the e-mail unless a newer one is known",
        [
            identify("ann", email="ann@x", at=10),
            identify("ann", clears=True, at=20),
            identify("bob", email="bob@x", at=20),
            identify("bob", clears=True, at=10),
            identify("cat", email="ann@x", at=5),
            identify("ann", email="late@x", at=15),
        ],
        {"users": {"ann": {"email": None}, "bob": {"email": "bob@x"}, "cat": {"email": "ann@x"}}},
    ),
    (
        "5: an e-mail keeps the spelling of the newest message",
        [identify("ann", email="ann@x", at=20), identify("ann", email="Ann@X", at=30), track(email="ANN@x", at=10)],
        {"users": {"ann": {"email": "ann@x", "text": "Ann@X"}}},
    ),
    # Rule 6
    (
        "6: alias folds the previous user into the userId's user, whose values win unless older",
        [
            identify("old", at=10, plan="free", city="Rome", lang="it"),
            identify("ann", at=20, plan="pro"),
            identify("old", at=30, lang="en"),
            track("old"),
            alias("old", "ann"),
            track("old"),
        ],
        {
            "users": {"ann": {"ids": ["old"], "traits": {"plan": "pro", "city": "Rome", "lang": "en"}}},
            "matched": ["created", "created", "username", "username", "username", "alias"],
            "placed": ["ann"] * 6,
        },
    ),
    (
        "6: on equal times the target's values win",
        [identify("old", plan="free"), identify("ann", plan="pro"), alias("old", "ann")],
        {"users": {"ann": {"traits": {"plan": "pro"}}}},
    ),
    (
        "6: for the e-mail likewise: the newest wins, be it that there is none, on equal times the target's",
        [
            identify("old", email="ann@x", at=10),
            identify("ann", clears=True, at=10),
            alias("old", "ann"),
            identify("older", email="bob@x", at=10),
            identify("bob", clears=True, at=9),
            alias("older", "bob"),
        ],
        {"users": {"ann": {"email": None}, "bob": {"email": "bob@x"}}},
    ),
    (
        "6: the ids, anonymous ids, groups and the e-mail of the previous user come along",
        [
            identify("old", email="ann@x", anonymous_id="x"),
            identify("older", email="ann@x"),
            group("old", group_id="g"),
            identify("ann"),
            alias("old", "ann"),
            track(anonymous_id="x"),
        ],
        {
            "users": {"ann": {"email": "ann@x", "ids": ["old", "older"], "anonymous": ["x"], "groups": ["g"]}},
            "placed": ["ann"] * 6,
        },
    ),
    (
        "6: if only the previous user is there, the user gets the new name",
        [identify("jen@x.example", plan="pro"), alias("jen@x.example", "507f"), track("507f")],
        {
            "users": {"507f": {"ids": ["jen@x.example"], "traits": {"plan": "pro"}}},
            "matched": ["created", "alias", "username"],
        },
    ),
    (
        "6: the previous id is looked up as user id first",
        [identify("ann", anonymous_id="d"), identify("d", plan="pro"), alias("d", "new"), track(anonymous_id="d")],
        {"users": {"ann": {"anonymous": ["d"]}, "new": {"ids": ["d"]}}, "placed": ["ann", "new", "new", "ann"]},
    ),
    (
        "6: then as anonymous id",
        [identify(email="ann@x", anonymous_id="x"), alias("x", "ann"), track("x")],
        {
            "users": {"ann": {"email": "ann@x", "ids": ["x"], "anonymous": ["x"]}},
            "matched": ["created", "alias", "alias"],
        },
    ),
    (
        "6: never as e-mail",
        [identify("ann", email="ann@x"), alias("ann@x", "bob")],
        {"users": {"ann": {"email": "ann@x"}, "bob": {"email": None, "ids": ["ann@x"]}}},
    ),
    (
        "6: both ids lead there, also if the alias comes first",
        [alias("old", "ann"), track("old"), track("ann"), track(anonymous_id="old")],
        {
            "users": {"ann": {"ids": ["old"], "anonymous": ["old"]}},
            "matched": ["created", "alias", "username", "alias"],
        },
    ),
    (
        "6: an anonymous id that already joined leads there as user id, too",
        [identify("ann", anonymous_id="x"), alias("x", "ann"), track("x")],
        {"users": {"ann": {"ids": ["x"], "anonymous": ["x"]}}, "matched": ["created", "username", "alias"]},
    ),
    (
        "6: a lone or equal alias changes nobody and is stored with whom it names, else with nobody",
        [identify("ann"), alias(None, "ann"), alias("ann", "ann"), alias("bob", "bob"), alias(None, "cat")],
        {
            "users": {"ann": {"ids": [], "anonymous": []}},
            "matched": ["created", "username", "username", "none", "none"],
            "placed": ["ann", "ann", "ann", None, None],
        },
    ),
    (
        "6: an equal alias of an anonymous visitor is kept under the anonymous id",
        [alias("bob", "bob", anonymous_id="x"), identify("ann", anonymous_id="x")],
        {"users": {"ann": {"anonymous": ["x"]}}, "matched": ["anonymous", "created"], "placed": ["ann", "ann"]},
    ),
    (
        "6: a cyclic alias changes nobody and is stored",
        [alias("old", "ann"), alias("ann", "old"), alias("old", "ann")],
        {
            "users": {"ann": {"ids": ["old"], "anonymous": ["old"]}},
            "matched": ["created", "alias", "username"],
            "conflicts": set(),
        },
    ),
    (
        "6: two users whose e-mails differ are not folded, a conflict is recorded once",
        [
            identify("old", email="old@x"),
            identify("ann", email="ann@x"),
            alias("old", "ann"),
            alias("old", "ann"),
            track("old"),
        ],
        {
            "users": {"ann": {"email": "ann@x", "ids": []}, "old": {"email": "old@x"}},
            "conflicts": {("alias", "ann", "old")},
            "placed": ["old", "ann", "ann", "ann", "old"],
        },
    ),
    (
        "6: an alias links its own anonymous id",
        [track(anonymous_id="x"), alias("old", "ann", anonymous_id="x")],
        {"users": {"ann": {"ids": ["old"], "anonymous": ["old", "x"]}}, "placed": ["ann", "ann"]},
    ),
    # Rule 7
    (
        "7: delete erases the user and everything of the user",
        [
            track(anonymous_id="x", at=1),
            identify("ann", email="ann@x", anonymous_id="x", at=1),
            group("ann", group_id="g", at=1),
            identify("bob", at=1),
            delete("ann"),
        ],
        {"users": {"bob": {}}, "placed": ["bob"], "verdicts": ["stored"] * 4 + ["erased"], "members": set()},
    ),
    (
        "7: by any id that leads to the user",
        [identify("ann", at=1), alias("old", "ann", at=1), delete("old")],
        {"users": {}, "matched": []},
    ),
    (
        "7: what carries a key of the erased user and is not newer is dropped, seen before or not",
        [
            identify("ann", email="ann@x", anonymous_id="x", at=1),
            alias("old", "ann", at=1),
            delete("ann", at=20),
            track("ann", at=20),
            track("old", at=19),
            track("zoe", email="ANN@x", at=5),
            track(anonymous_id="x", at=5),
            alias("ann", "zoe", at=5),
            alias("x", "zoe", at=5),
        ],
        {"users": {}, "matched": [], "verdicts": ["stored", "stored", "erased", *["tombstoned"] * 6]},
    ),
    (
        "7: what is newer creates the id afresh",
        [identify("ann", at=1, plan="pro"), delete("ann", at=10), identify("ann", at=11, city="Nice")],
        {"users": {"ann": {"traits": {"city": "Nice"}}}, "matched": ["created"]},
    ),
    (
        "7: a delete of an unknown id raises a tombstone all the same",
        [delete("ann", at=10), identify("ann", at=10)],
        {"users": {}, "verdicts": ["erased", "tombstoned"]},
    ),
    (
        "7: of two deletes the later time holds, and an older one does not touch a user who is new since",
        [delete("ann", at=20), identify("ann", at=30), delete("ann", at=10), track("ann", at=15)],
        {"users": {"ann": {}}, "matched": ["created"], "verdicts": ["erased", "stored", "tombstoned", "tombstoned"]},
    ),
    (
        "7: this goes for each key",
        [
            identify("ann", email="ann@x", at=1),
            delete("ann", at=20),
            identify("bob", email="ann@x", at=30),
            delete("bob", at=10),
            track("cat", email="ann@x", at=15),
        ],
        {"users": {}, "verdicts": ["stored", "erased", "stored", "erased", "tombstoned"]},
    ),
    (
        "7: a delete is not kept from erasing by a tombstone of another id it happens to carry",
        [
            identify("ann", anonymous_id="x", at=1),
            identify("bob", at=1),
            delete("ann", at=20),
            delete("bob", anonymous_id="x", at=10),
        ],
        {"users": {}, "matched": []},
    ),
    (
        "7: without a usable userId nobody is deleted",
        [identify(email="ann@x", anonymous_id="x"), delete(None, email="ann@x", anonymous_id="x", at=20)],
        {"users": {"ann@x": {}}, "verdicts": ["stored", "no_id"]},
    ),
    (
        "7: what was kept with nobody under the erased id goes as well",
        [alias("ann", "ann", at=1), alias("bob", "bob", at=1), delete("ann")],
        {"users": {}, "matched": ["none"]},
    ),
    (
        "7: a conflict with an erased user is no conflict any more",
        [identify("ann", email="ann@x", at=1), identify("bob", at=1), track("bob", email="ann@x", at=1), delete("bob")],
        {"users": {"ann": {}}, "conflicts": set()},
    ),
    # Rule 10
    (
        "10: public messages create users, add events, set the traits of the user whose id they carry",
        [
            public(identify("ann", email="ann@x", plan="free")),
            public(track("ann")),
            public(identify("ann", plan="pro", at=20)),
            public(identify(email="bob@x")),
        ],
        {
            "users": {"ann": {"email": "ann@x", "traits": {"plan": "pro"}}, "bob@x": {"email": "bob@x"}},
            "matched": ["created", "username", "username", "created"],
        },
    ),
    (
        "10: public messages give a known user an id that nobody has",
        [
            identify(email="ann@x"),
            public(identify("ann", email="ann@x", anonymous_id="x")),
            public(alias("old", "ann")),
        ],
        {"users": {"ann": {"email": "ann@x", "ids": ["old"], "anonymous": ["old", "x"]}}},
    ),
    (
        "10: but do not give one another name",
        [identify("ann"), public(alias("ann", "anna")), track("anna")],
        {"users": {"ann": {"ids": ["anna"]}}, "matched": ["created", "alias", "alias"]},
    ),
    (
        "10: they never match by e-mail into a user with another id, and do not take the e-mail",
        [identify("ann", email="ann@x"), public(identify("eve", email="ann@x", plan="pro"))],
        {
            "users": {"ann": {"email": "ann@x", "traits": {}}, "eve": {"email": None, "traits": {"plan": "pro"}}},
            "matched": ["created", "created"],
            "conflicts": {("email_taken", "ann", "eve")},
        },
    ),
    (
        "10: a known user does not take the e-mail of another one either, whatever its time",
        [identify("ann", email="ann@x"), identify("eve"), public(identify("eve", email="ann@x", plan="pro", at=90))],
        {
            "users": {"ann": {"email": "ann@x", "traits": {}}, "eve": {"email": None, "traits": {"plan": "pro"}}},
            "matched": ["created", "created", "username"],
            "conflicts": {("email_taken", "ann", "eve")},
        },
    ),
    (
        "10: not even that of a user without a username",
        [identify(email="ann@x"), identify("eve"), public(identify("eve", email="ann@x", plan="pro"))],
        {
            "users": {"ann@x": {"traits": {}}, "eve": {"email": None, "traits": {"plan": "pro"}}},
            "conflicts": {("email_taken", "ann@x", "eve")},
        },
    ),
    (
        "10: an id that came by e-mail does not part by somebody else's e-mail either",
        [
            identify("ann", email="home@x"),
            identify("ben", email="home@x"),
            identify("cat", email="cat@x"),
            public(track("ben", email="cat@x")),
        ],
        {
            "users": {"ann": {"email": "home@x", "ids": ["ben"]}, "cat": {"email": "cat@x"}},
            "matched": ["created", "email", "created", "alias"],
            "conflicts": {("email_taken", "ann", "cat")},
        },
    ),
    (
        "10: and a public alias call does not make it stay",
        [
            identify("ann", email="home@x"),
            identify("ben", email="home@x"),
            public(alias("ben", "ann")),
            public(identify("ben", email="ben@x")),
        ],
        {"users": {"ann": {"email": "home@x", "ids": []}, "ben": {"email": "ben@x"}}},
    ),
    (
        "10: without userId they never match into a user who has a username, they stay with their anonymous id",
        [identify("ann", email="ann@x"), public(identify(email="ann@x", anonymous_id="x", plan="pro"))],
        {"users": {"ann": {"traits": {}, "anonymous": []}}, "matched": ["created", "anonymous"], "conflicts": set()},
    ),
    (
        "10: and without an anonymous id they are kept nowhere",
        [identify("ann", email="ann@x"), public(track(email="ann@x"))],
        {"users": {"ann": {}}, "matched": ["created"], "verdicts": ["stored", "rejected"]},
    ),
    (
        "10: into a user who has no username they match by e-mail",
        [identify(email="ann@x"), public(identify(email="ann@x", plan="pro", at=20))],
        {"users": {"ann@x": {"traits": {"plan": "pro"}}}, "matched": ["created", "email"]},
    ),
    (
        "10: an anonymous id alone adds events to its user, but neither traits nor groups",
        [
            identify("ann", anonymous_id="x"),
            public(identify(anonymous_id="x", plan="pro")),
            public(identify(anonymous_id="x", clears=True)),
            public(group(anonymous_id="x", group_id="g")),
        ],
        {"users": {"ann": {"traits": {}, "groups": []}}, "matched": ["created", "alias", "alias", "alias"]},
    ),
    (
        "10: they never alias two existing users who both have a username",
        [identify("ann"), identify("old", plan="pro"), public(alias("old", "ann"))],
        {"users": {"ann": {"traits": {}}, "old": {}}, "verdicts": ["stored", "stored", "rejected"]},
    ),
    (
        "10: a visitor known by e-mail only may become a user with a username",
        [public(identify(email="ann@x", anonymous_id="x", plan="pro")), identify("ann"), public(alias("x", "ann"))],
        {"users": {"ann": {"email": "ann@x", "ids": ["x"], "anonymous": ["x"], "traits": {"plan": "pro"}}}},
    ),
    (
        "10: they never delete",
        [identify("ann", at=1), public(delete("ann")), track("ann", at=2)],
        {"users": {"ann": {}}, "verdicts": ["stored", "rejected", "stored"]},
    ),
    # Groups
    (
        "a group call makes the user a member",
        [identify("ann"), group("ann", group_id="g"), group(email="bob@x", group_id="g"), group("ann", group_id="h")],
        {"users": {"ann": {"groups": ["g", "h"]}, "bob@x": {"groups": ["g"]}}},
    ),
    (
        "what a visitor joined, the user has joined",
        [
            group(anonymous_id="x", group_id="g"),
            group(anonymous_id="x", group_id="g"),
            identify("ann", anonymous_id="x"),
        ],
        {"users": {"ann": {"groups": ["g"]}}},
    ),
]


@pytest.mark.parametrize("together", [True, False], ids=["one-group", "one-by-one"])
@pytest.mark.parametrize(("story", "expected"), [(s, e) for _, s, e in RULES], ids=[name for name, _, _ in RULES])
def test_the_rule(story: Story, expected: dict[str, Any], together: bool) -> None:
    store = Store()
    verdicts = receive(store, story, together)

    known = outcome(store) | {"verdicts": verdicts}
    for name, value in expected.items():
        if name == "users":
            assert list(known["users"]) == sorted(value)
            for user, facts in value.items():
                assert {fact: known["users"][user][fact] for fact in facts} == facts
        else:
            assert known[name] == value


@pytest.mark.parametrize("together", [True, False], ids=["one-group", "one-by-one"])
def test_it_never_listens_again_to_a_suppressed_key(together: bool) -> None:
    store = Store(suppress=True)

    verdicts = receive(
        store,
        [identify("ann", email="ann@x", at=1), delete("ann", at=10), track("ann", at=90), track("bob", email="ann@x")],
        together,
    )

    assert verdicts == ["stored", "erased", "tombstoned", "tombstoned"]
    assert store.users == {}


def test_it_deletes_a_suppressed_user_whom_it_still_finds() -> None:
    store = Store()
    receive(store, [delete("ann", at=1), identify("ann", at=5)], together=False)
    store.suppress = True

    assert receive(store, [delete("ann", at=10)], together=False) == ["erased"]
    assert store.users == {}


def test_a_conflict_names_the_email_the_id_and_the_message() -> None:
    story = numbered([identify("ann", email="ann@x"), identify("bob"), track("bob", email="Ann@X")])
    directory = Store().load(story)

    for message in story:
        directory.apply(message)

    (conflict,) = directory.changes().conflicts
    assert (conflict.email, conflict.username, conflict.message_id) == ("ann@x", "bob", "m2")


def test_an_id_remembers_how_and_by_which_message_it_arose() -> None:
    store = Store()

    receive(
        store,
        [
            identify("ann", email="ann@x", anonymous_id="x"),
            identify("ann2", email="ann@x"),
            alias("old", "ann"),
            identify("anna"),
            alias("ann", "anna"),
        ],
        together=False,
    )

    assert {value: (link["how"], link["message"]) for (kind, value), link in store.links.items()} == {
        "x": ("identify", "m0"),
        "ann2": ("email", "m1"),
        "old": ("alias", "m2"),
        "ann": ("alias", "m4"),
    }


def test_it_reports_every_id_that_leads_to_somebody_else() -> None:
    store = Store()
    receive(store, [identify("old", anonymous_id="x"), identify("ann")], together=True)
    story = [alias("old", "ann"), track(anonymous_id="x")]
    directory = store.load(story)

    for message in story:
        directory.apply(message)

    saved = {(link.value, link.user.username) for link in directory.changes().saved_links}
    assert saved == {("old", "ann"), ("x", "ann")}


def test_a_visit_begins_with_a_message_after_half_an_hour_of_silence() -> None:
    store = Store()
    for at in (0, VISIT_GAP, VISIT_GAP // 2, 2 * VISIT_GAP + 1):
        store.receive([sighting("track", "ann", at=at)])
    [ann] = store.users.values()
    assert (ann["visits"], ann["visit_began"]) == (2, 2 * VISIT_GAP + 1)
    store.receive([sighting("track", "bea", at=5 * VISIT_GAP), sighting("alias", "ann", previous_id="bea", at=3)])
    [ann] = store.users.values()
    assert (ann["visits"], ann["visit_began"]) == (3, 5 * VISIT_GAP)


def test_a_user_was_first_and_last_seen_when_the_messages_say() -> None:
    store = Store()

    receive(store, [track("ann", at=20), track("ann", at=10), track("ann", at=30), track("old", at=5)], True)
    receive(store, [alias("old", "ann", at=25)], True)

    (ann,) = store.users.values()
    assert (ann["first_seen"], ann["last_seen"]) == (5, 30)


def test_a_track_of_a_known_user_changes_nothing_but_the_time() -> None:
    store = Store()
    receive(store, [identify("ann", email="ann@x", plan="pro")], True)
    directory = store.load([track("ann", at=50)])

    directory.apply(track("ann", at=50))

    (ann,) = directory.changes().changed_people
    assert (ann.last_seen, ann.keys_changed, ann.traits_changed) == (50, False, False)


def receive(store: Store, story: Story, together: bool) -> list[str]:
    groups = grouped(numbered(story), () if together else range(len(story)))
    return [verdict for part in groups for verdict in store.receive(part)]


def outcome(store: Store) -> dict[str, Any]:
    """Return what a store holds, with users called by username or else by e-mail."""
    names = {user: row["username"] or row["email_key"] for user, row in store.users.items()}
    users: dict[str, dict[str, Any]] = {
        names[user]: {
            "email": row["email_key"],
            "text": row["email"],
            "traits": row["traits"],
            "ids": sorted(
                value for (kind, value), link in store.links.items() if (kind, link["user"]) == ("user_id", user)
            ),
            "anonymous": sorted(
                value for (kind, value), link in store.links.items() if (kind, link["user"]) == ("anonymous_id", user)
            ),
            "how": sorted({link["how"] for link in store.links.values() if link["user"] == user}),
            "groups": sorted(group_id for group_id, member in store.members if member == user),
        }
        for user, row in store.users.items()
    }
    return {
        "users": dict(sorted(users.items())),
        "matched": [event["matched_by"] for event in store.events],
        "placed": [names.get(event["user"]) for event in store.events],
        "conflicts": {(kind, *sorted(names[user] for user in pair)) for kind, pair in store.conflicts},
        "members": {(group_id, names[user]) for group_id, user in store.members},
    }
