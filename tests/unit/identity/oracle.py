"""The matching rule told a second time, as plainly as possible: one message at a time over one big dictionary.

It shares no code with `productfruits.identity` but the shape of a sighting and has no idea of groups, slices or
statements. What it holds after a story is what every store must hold after the same story.
"""

import unicodedata
from dataclasses import dataclass, field
from typing import Any

from productfruits.identity.people import Sighting

Facts = dict[str, Any]
HALF_AN_HOUR = 1_800_000_000


@dataclass
class World:
    """Everything that is known. Users are named n0, n1, … in the order in which they came into being."""

    suppress: bool = False
    users: dict[str, Facts] = field(default_factory=dict)
    links: dict[tuple[str, str], Facts] = field(default_factory=dict)
    visitors: dict[str, Facts] = field(default_factory=dict)
    events: list[Facts] = field(default_factory=list)
    members: dict[tuple[str, str], int] = field(default_factory=dict)
    conflicts: set[tuple[str, frozenset[str]]] = field(default_factory=set)
    tombstones: dict[tuple[str, str], int] = field(default_factory=dict)
    created: int = 0

    def receive(self, m: Sighting) -> str:
        """Let one message happen and return its verdict."""
        if m.kind == "delete":
            return self.delete(m)
        if any(self.is_dead(key, m.at) for key in carried_keys(m)):
            return "tombstoned"
        return self.alias(m) if m.kind == "alias" else self.message(m)

    # Rules 1 to 5

    def message(self, m: Sighting) -> str:
        email = m.email.key
        by_email = self.owner_of_email(email)
        by_id = self.owner_of_id(m.user_id)
        may_match_by_email = by_email is not None and (
            m.trust == "server" or by_email == by_id or (by_id is None and self.users[by_email]["username"] is None)
        )
        foreign = by_email if not may_match_by_email else None
        if by_email is not None and may_match_by_email:
            user, how = by_email, "email"
            if m.user_id is not None and by_id is None:
                if self.users[user]["username"] is None:
                    self.users[user]["username"] = m.user_id
                else:
                    self.links["user_id", m.user_id] = {"user": user, "how": "email", "message": m.message_id}
            elif by_id is not None and by_id != user:
                self.conflict("email_and_id", user, by_id)
        elif by_id is not None:
            user, how = by_id, "alias"
            if self.users[user]["username"] == m.user_id:
                how = "username"
            elif email is not None and foreign is None and self.links["user_id", str(m.user_id)]["how"] == "email":
                user, how = self.part(user, str(m.user_id), m.at), "created"
        elif m.user_id is not None or (email is not None and foreign is None):
            user, how = self.create(m.user_id, m.at), "created"
        elif m.anonymous_id is None:
            return "no_id" if foreign is None else "rejected"
        else:
            self.anonymous_message(m, foreign)
            return "stored"
        if foreign is not None:
            self.conflict("email_taken", user, foreign)
        elif email is not None:
            self.set_email(user, m.email.text, m.at)
        elif m.email.clears:
            self.set_email(user, None, m.at)
        if m.kind == "identify":
            self.link_anonymous(m.anonymous_id, user, "identify", m)
        self.tell(user, m)
        self.store(m, user, how)
        return "stored"

    def anonymous_message(self, m: Sighting, foreign: str | None) -> None:
        link = self.links.get(("anonymous_id", str(m.anonymous_id)))
        if link is not None:
            user = link["user"]
            if foreign is not None and foreign != user:
                self.conflict("email_taken", user, foreign)
            if m.trust == "server" or self.users[user]["username"] is None:
                if m.email.clears:
                    self.set_email(user, None, m.at)
                self.tell(user, m)
            self.store(m, user, "alias")
            return
        told: Facts = {"traits": {}, "groups": []} | self.visitors.get(str(m.anonymous_id), {})
        if m.kind == "identify":
            newest(told["traits"], {name: (value, m.at) for name, value in m.traits.items()}, tie="theirs")
        if m.kind == "group" and m.group_id is not None and m.group_id not in told["groups"]:
            told["groups"].append(m.group_id)
        if told["traits"] or told["groups"]:
            self.visitors[str(m.anonymous_id)] = told
        self.store(m, None, "anonymous")

    def tell(self, user: str, m: Sighting) -> None:
        if m.kind == "identify":
            told = {name: (value, m.at) for name, value in m.traits.items()}
            newest(self.users[user]["traits"], told, tie="theirs")
        if m.kind == "group" and m.group_id is not None:
            self.member(m.group_id, user, m.at)

    def part(self, user: str, user_id: str, at: int) -> str:
        """Two people behind one address part: the id leaves, events sent under it go along, traits stay."""
        del self.links["user_id", user_id]
        new = self.create(user_id, at)
        for event in self.events:
            if event["user"] == user and event["user_id"] == user_id:
                event["user"] = new
        return new

    def link_anonymous(self, anonymous_id: str | None, user: str, how: str, m: Sighting) -> None:
        if anonymous_id is None or ("anonymous_id", anonymous_id) in self.links:
            return
        self.links["anonymous_id", anonymous_id] = {"user": user, "how": how, "message": m.message_id}
        for event in self.events:
            if event["user"] is None and event["anonymous_id"] == anonymous_id:
                event["user"] = user
        told = self.visitors.pop(anonymous_id, None)
        if told is not None:
            newest(self.users[user]["traits"], told["traits"], tie="mine")
            for group_id in told["groups"]:
                self.member(group_id, user, m.at)

    # Rule 6

    def alias(self, m: Sighting) -> str:
        old, new = m.previous_id, m.user_id
        if old is None or new is None or old == new:
            return self.idle_alias(m)
        target, previous = self.owner_of_id(new), self.owner_of_id(old)
        if target is not None and target == previous:
            self.confirm(m)
            return self.idle_alias(m)
        if previous is None:
            previous = self.links.get(("anonymous_id", old), {}).get("user")
        how = "created"
        if target is not None:
            how = "username" if self.users[target]["username"] == new else "alias"
            if previous is not None and previous != target:
                a, b = self.users[target], self.users[previous]
                if m.trust == "public" and a["username"] is not None and b["username"] is not None:
                    return "rejected"
                if a["email"] is not None and b["email"] is not None:
                    self.conflict("alias", target, previous)
                    return self.idle_alias(m)
                self.fold(previous, target, m.message_id)
        elif previous is not None:
            target, how = previous, "alias"
            former = self.users[target]["username"]
            if former is not None and m.trust == "public":
                self.links["user_id", new] = {"user": target, "how": "alias", "message": m.message_id}
            else:
                self.users[target]["username"] = new
                if former is not None:
                    self.links["user_id", former] = {"user": target, "how": "alias", "message": m.message_id}
        else:
            target = self.create(new, m.at)
        self.link_anonymous(old if previous is None else None, target, "alias", m)
        if self.owner_of_id(old) is None:
            self.links["user_id", old] = {"user": target, "how": "alias", "message": m.message_id}
        self.confirm(m)
        self.link_anonymous(m.anonymous_id, target, "alias", m)
        self.store(m, target, how)
        return "stored"

    def confirm(self, m: Sighting) -> None:
        for value in (m.user_id, m.previous_id):
            link = self.links.get(("user_id", str(value)))
            if m.trust == "server" and link is not None and link["how"] == "email":
                link.update(how="alias", message=m.message_id)

    def idle_alias(self, m: Sighting) -> str:
        user = self.owner_of_id(m.user_id)
        if user is not None:
            self.store(m, user, "username" if self.users[user]["username"] == m.user_id else "alias")
        elif m.anonymous_id is not None:
            link = self.links.get(("anonymous_id", m.anonymous_id))
            self.store(m, link["user"] if link else None, "alias" if link else "anonymous")
        elif m.user_id is not None:
            self.store(m, None, "none")
        else:
            return "no_id"
        return "stored"

    def fold(self, source: str, target: str, message_id: str | None) -> None:
        old, new = self.users.pop(source), self.users[target]
        if old["username"] is not None:
            self.links["user_id", old["username"]] = {"user": target, "how": "alias", "message": message_id}
        for link in self.links.values():
            link["user"] = target if link["user"] == source else link["user"]
        for event in self.events:
            event["user"] = target if event["user"] == source else event["user"]
        if (old["email_at"] or 0) > (new["email_at"] or 0):
            new["email"], new["email_at"] = old["email"], old["email_at"]
        newest(new["traits"], old["traits"], tie="mine")
        new["visits"] += old["visits"]
        new["visit"] = old["visit"] if old["last"] > new["last"] else new["visit"]
        new["first"], new["last"] = min(new["first"], old["first"]), max(new["last"], old["last"])
        for (group_id, user), at in list(self.members.items()):
            if user == source:
                del self.members[group_id, user]
                self.member(group_id, target, at)
        renamed = {
            (kind, frozenset(target if user == source else user for user in pair)) for kind, pair in self.conflicts
        }
        self.conflicts = {(kind, pair) for kind, pair in renamed if len(pair) == 2}

    # Rule 7

    def delete(self, m: Sighting) -> str:
        if m.trust == "public":
            return "rejected"
        if m.user_id is None:
            return "no_id"
        if self.tombstones.get(("user_id", m.user_id), -1) >= m.at:
            return "tombstoned"
        keys = {("user_id", m.user_id)}
        user = self.owner_of_id(m.user_id)
        if user is not None:
            facts = self.users.pop(user)
            keys |= {key for key, link in self.links.items() if link["user"] == user}
            own = [("user_id", facts["username"]), ("email", key_of(facts["email"]))]
            keys |= {(kind, value) for kind, value in own if value is not None}
            self.links = {key: link for key, link in self.links.items() if link["user"] != user}
            self.events = [event for event in self.events if event["user"] != user]
            self.members = {key: at for key, at in self.members.items() if key[1] != user}
            self.conflicts = {(kind, pair) for kind, pair in self.conflicts if user not in pair}
        self.events = [e for e in self.events if e["user"] is not None or ("user_id", e["user_id"]) not in keys]
        for key in keys:
            self.tombstones[key] = max(m.at, self.tombstones.get(key, m.at))
        return "erased"

    def is_dead(self, key: tuple[str, str], at: int) -> bool:
        erased_at = self.tombstones.get(key)
        return erased_at is not None and (self.suppress or at <= erased_at)

    # What all of them need

    def create(self, username: str | None, at: int) -> str:
        user = f"n{self.created}"
        self.created += 1
        self.users[user] = {
            "username": username,
            "email": None,
            "email_at": None,
            "traits": {},
            "first": at,
            "last": at,
            "visits": 1,
            "visit": at,
        }
        return user

    def owner_of_email(self, key: str | None) -> str | None:
        owners = [user for user, facts in self.users.items() if key is not None and key_of(facts["email"]) == key]
        return owners[0] if owners else None

    def owner_of_id(self, value: str | None) -> str | None:
        owners = [user for user, facts in self.users.items() if value is not None and facts["username"] == value]
        if owners:
            return owners[0]
        link = self.links.get(("user_id", str(value)))
        return None if link is None else str(link["user"])

    def set_email(self, user: str, text: str | None, at: int) -> None:
        facts = self.users[user]
        if facts["email_at"] is None or at >= facts["email_at"]:
            facts["email"], facts["email_at"] = text, at

    def member(self, group_id: str, user: str, at: int) -> None:
        self.members[group_id, user] = min(at, self.members.get((group_id, user), at))

    def conflict(self, kind: str, *users: str) -> None:
        self.conflicts.add((kind, frozenset(users)))

    def store(self, m: Sighting, user: str | None, how: str) -> None:
        self.events.append(
            {
                "message": m.message_id,
                "user": user,
                "user_id": m.user_id,
                "anonymous_id": m.anonymous_id,
                "matched_by": how,
            }
        )
        if user is not None:
            facts = self.users[user]
            if m.at > facts["last"] + HALF_AN_HOUR:
                facts["visits"], facts["visit"] = facts["visits"] + 1, m.at
            facts["first"], facts["last"] = min(facts["first"], m.at), max(facts["last"], m.at)


def newest(mine: dict[str, tuple[Any, int]], theirs: dict[str, tuple[Any, int]], tie: str) -> None:
    """Take over what is newer. A cleared trait is kept as None with its time."""
    for name, (value, at) in theirs.items():
        if name not in mine or at > mine[name][1] or (at == mine[name][1] and tie == "theirs"):
            mine[name] = (value, at)


def carried_keys(m: Sighting) -> list[tuple[str, str]]:
    keys = [
        ("user_id", m.user_id),
        ("user_id", m.previous_id),
        ("anonymous_id", m.anonymous_id),
        ("anonymous_id", m.previous_id),
        ("email", m.email.key),
    ]
    return [(kind, value) for kind, value in keys if value is not None]


def key_of(email: str | None) -> str | None:
    return None if email is None else unicodedata.normalize("NFC", email.strip()).casefold()
