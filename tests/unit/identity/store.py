"""A store in memory that loads, applies and writes groups of messages the way the real one does.

It keeps the promises of a database (no key is ever taken twice, rows refer to rows that exist) and loads no more than a
group can name, so that a rule that reaches further, or a report that names somebody who never existed, fails here.
"""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from productfruits.identity.directory import (
    Changes,
    Directory,
    EraseLoose,
    EraseUser,
    JoinVisitor,
    Link,
    MoveEvents,
    MoveUser,
    Person,
    Placement,
    Sighting,
    Visitor,
)

Row = dict[str, Any]
USER_COLUMNS = (
    "username",
    "email",
    "email_key",
    "email_at",
    "traits",
    "trait_times",
    "first_seen",
    "last_seen",
    "visits",
    "visit_began",
)


def digest(kind: str, value: str) -> bytes:
    return f"{kind}:{value}".encode()


@dataclass
class Store:
    suppress: bool = False
    users: dict[str, Row] = field(default_factory=dict)
    links: dict[tuple[str, str], Row] = field(default_factory=dict)
    visitors: dict[str, Row] = field(default_factory=dict)
    events: list[Row] = field(default_factory=list)
    members: dict[tuple[str, str], int] = field(default_factory=dict)
    conflicts: set[tuple[str, frozenset[str]]] = field(default_factory=set)
    tombstones: dict[bytes, int] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    created: int = 0

    def receive(self, group: Sequence[Sighting]) -> list[str]:
        """Take one group of messages as one commit and return the verdicts."""
        directory = self.load(group)
        placements = [directory.apply(sighting) for sighting in group]
        verdicts: list[str] = [placement.verdict for placement in placements]
        self.write(directory.changes(), placements)
        return verdicts

    def receive_once(self, group: Iterable[Sighting]) -> list[str]:
        """The same, but a message id that was seen before, or before in this group, does not count."""
        fresh = []
        for sighting in group:
            if sighting.message_id not in self.seen:
                self.seen.add(str(sighting.message_id))
                fresh.append(sighting)
        return self.receive(fresh)

    def load(self, group: Sequence[Sighting]) -> Directory:
        ids = {i for s in group for i in (s.user_id, s.previous_id) if i is not None}
        anonymous_ids = {i for s in group for i in (s.anonymous_id, s.previous_id) if i is not None}
        emails = {s.email.key for s in group if s.email.key is not None}
        named = {("user_id", i) for i in ids} | {("anonymous_id", i) for i in anonymous_ids}
        loaded = {key: row for key, row in self.links.items() if key in named}
        users = {row["user"] for row in loaded.values()}
        users |= {i for i, row in self.users.items() if row["username"] in ids or row["email_key"] in emails}
        if any(s.kind == "delete" for s in group):
            loaded |= {key: row for key, row in self.links.items() if row["user"] in users}
        people = {i: Person(i, **copy.deepcopy(self.users[i]), stored=True) for i in sorted(users)}
        links = [
            Link(kind, value, people[row["user"]], row["how"], row["message"], stored=True)  # type: ignore[arg-type]
            for (kind, value), row in loaded.items()
        ]
        visitors = [
            Visitor(i, **copy.deepcopy(row), stored=True) for i, row in self.visitors.items() if i in anonymous_ids
        ]
        return Directory(
            people.values(),
            links,
            visitors,
            tombstones=self.tombstones,
            digest=digest,
            suppress=self.suppress,
            new_id=self.new_id,
        )

    def new_id(self) -> str:
        self.created += 1
        return f"n{self.created - 1}"

    def write(self, changes: Changes, placements: Iterable[Placement]) -> None:
        for person in changes.changed_people + changes.gone_people:
            row = self.users[person.id]
            assert (row["username"], row["email_key"]) == (person.loaded_username, person.loaded_email_key)
            if person.gone or person.username != person.loaded_username:
                row["username"] = None
            if person.gone or person.email_key != person.loaded_email_key:
                row["email_key"] = None
        for person in changes.new_people + changes.changed_people:
            self.write_user(person)
        for link in changes.removed_links:
            del self.links[link.kind, link.value]
        for visitor in changes.gone_visitors:
            del self.visitors[visitor.anonymous_id]
        for effect in changes.effects:
            self.do(effect)
        for link in changes.saved_links:
            assert link.user.id in self.users
            self.links[link.kind, link.value] = {"user": link.user.id, "how": link.how, "message": link.message_id}
        for visitor in changes.saved_visitors:
            self.visitors[visitor.anonymous_id] = {
                "traits": visitor.traits,
                "trait_times": visitor.trait_times,
                "group_ids": visitor.group_ids,
            }
        for membership in changes.memberships:
            self.member(membership.group_id, membership.user_id, membership.at)
        for conflict in changes.conflicts:
            assert set(conflict.user_ids) <= set(self.users)
            self.conflicts.add((conflict.kind, frozenset(conflict.user_ids)))
        for key, at in changes.tombstones.items():
            self.tombstones[key] = max(at, self.tombstones.get(key, at))
        for placement in placements:
            if placement.verdict == "stored" and not placement.dropped:
                self.events.append(event_row(placement))
                assert self.events[-1]["user"] is None or self.events[-1]["user"] in self.users

    def write_user(self, person: Person) -> None:
        row = {name: copy.deepcopy(getattr(person, name)) for name in USER_COLUMNS}
        for other_id, other in self.users.items():
            for key in ("username", "email_key"):
                assert other_id == person.id or row[key] is None or other[key] != row[key], f"{key} taken twice"
        self.users[person.id] = row

    def do(self, effect: object) -> None:
        match effect:
            case MoveEvents(source, target, sent):
                self.give([e for e in self.events if e["user"] == source and e["user_id"] == sent], target)
            case JoinVisitor(anonymous_id, target, sent):
                kept = [e for e in self.events if e["user"] is None and e["anonymous_id"] == anonymous_id]
                self.give([e for e in kept if sent is None or e["user_id"] == sent], target)
            case EraseLoose(ids):
                self.give([e for e in self.events if e["user"] is None and e["user_id"] in ids], None)
            case MoveUser(source, target):
                assert target in self.users
                del self.users[source]
                self.give([e for e in self.events if e["user"] == source], target)
                for link in self.links.values():
                    link["user"] = target if link["user"] == source else link["user"]
                for group_id, user in list(self.members):
                    if user == source:
                        self.member(group_id, target, self.members.pop((group_id, user)))
                self.conflicts = {
                    (kind, pair - {source} | {target}) if source in pair else (kind, pair)
                    for kind, pair in self.conflicts
                }
                self.conflicts = {(kind, pair) for kind, pair in self.conflicts if len(pair) == 2}
            case EraseUser(source):
                del self.users[source]
                self.give([e for e in self.events if e["user"] == source], None)
                self.links = {key: row for key, row in self.links.items() if row["user"] != source}
                self.members = {key: at for key, at in self.members.items() if key[1] != source}
                self.conflicts = {(kind, pair) for kind, pair in self.conflicts if source not in pair}
            case _:
                raise AssertionError(effect)

    def give(self, events: list[Row], target: str | None) -> None:
        if target is None:
            gone = {id(event) for event in events}
            self.events = [event for event in self.events if id(event) not in gone]
            return
        assert target in self.users
        for event in events:
            event["user"] = target

    def member(self, group_id: str, user: str, at: int) -> None:
        assert user in self.users
        self.members[group_id, user] = min(at, self.members.get((group_id, user), at))


def event_row(placement: Placement) -> Row:
    return {
        "message": placement.sighting.message_id,
        "user": None if placement.user is None else placement.user.id,
        "user_id": placement.sighting.user_id,
        "anonymous_id": placement.sighting.anonymous_id,
        "matched_by": placement.matched_by,
    }
