"""The register: who owns which key now, and the few ways in which that changes.

It holds a slice of the store in memory and keeps itself true after each message, so that the next message of the same
group meets what the last one left. It knows no rule: who may do what is decided by its callers.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from productfruits.identity import traits
from productfruits.identity.moves import Ledger
from productfruits.identity.people import VISIT_GAP, How, Link, LinkKind, Person, Placement, Sighting, Visitor

ConflictKind = Literal["email_and_id", "alias", "email_taken"]


@dataclass(frozen=True, slots=True)
class Dispute:
    """A conflict while the group runs: its two people may still be folded into others or go."""

    kind: ConflictKind
    first: Person
    second: Person
    email: str | None
    username: str | None
    message_id: str | None


class Register:
    def __init__(
        self, people: Iterable[Person], links: Iterable[Link], visitors: Iterable[Visitor], new_id: Callable[[], str]
    ) -> None:
        self.people = list(people)
        self.usernames: dict[str, Person] = {}
        self.emails: dict[str, Person] = {}
        self.user_links: dict[str, Link] = {}
        self.anonymous_links: dict[str, Link] = {}
        self.visitors: dict[str, Visitor] = {visitor.anonymous_id: visitor for visitor in visitors}
        self.loaded_links: dict[tuple[LinkKind, str], Link] = {}
        self.ledger = Ledger()
        self.disputes: list[Dispute] = []
        #: How often somebody got what belonged to somebody else until then.
        self.handovers = 0
        # Messages of this group that are kept under an anonymous id, and those kept with nobody by the id they carry.
        self.waiting: dict[str, list[Placement]] = {}
        self.loose: dict[str, list[Placement]] = {}
        self._new_id = new_id
        for person in self.people:
            if person.username is not None:
                self.usernames[person.username] = person
            if person.email_key is not None:
                self.emails[person.email_key] = person
        for link in links:
            self._links(link.kind)[link.value] = link
            link.user.links.append(link)
            self.loaded_links[link.kind, link.value] = link

    def by_id(self, user_id: str) -> Person | None:
        """Return the user whose username, former id or aliased id this is."""
        person = self.usernames.get(user_id)
        if person is None:
            link = self.user_links.get(user_id)
            if link is not None:
                return link.user
        return person

    def by_anonymous_id(self, anonymous_id: str) -> Person | None:
        """Return the user whom this anonymous id joined."""
        link = self.anonymous_links.get(anonymous_id)
        return None if link is None else link.user

    def create(self, username: str | None, at: int) -> Person:
        person = Person(self._new_id(), username, first_seen=at, last_seen=at, visit_began=at, changed=True)
        if username is not None:
            self.usernames[username] = person
        self.people.append(person)
        return person

    def name(self, person: Person, username: str) -> None:
        """Make an id that nobody has the username; whoever calls this sees to a former one."""
        person.username = username
        person.changed = person.keys_changed = True
        self.usernames[username] = person

    def rename(self, person: Person, username: str, how: How, message_id: str | None) -> None:
        """Make an id that nobody has the username, and a former username one more id of the same user."""
        former = person.username
        if former is not None:
            del self.usernames[former]
        self.name(person, username)
        if former is not None:
            self.link("user_id", former, person, how, message_id)

    def link(self, kind: LinkKind, value: str, person: Person, how: How, message_id: str | None) -> None:
        """Let an id that nobody has lead to this person."""
        link = Link(kind, value, person, how, message_id, stored=(kind, value) in self.loaded_links, changed=True)
        self._links(kind)[value] = link
        person.links.append(link)

    def unlink(self, link: Link) -> None:
        del self._links(link.kind)[link.value]
        link.user.links.remove(link)

    def confirm(self, link: Link, how: How, message_id: str | None) -> None:
        """Note a better reason why this id leads where it leads."""
        if link.how != how:
            link.how = how
            link.message_id = message_id
            link.changed = True

    def take_email(self, person: Person, text: str, key: str, at: int) -> None:
        """Make this the person's e-mail unless a newer one is known. Nobody else may own it."""
        if person.email_at is not None and at < person.email_at:
            return
        if person.email_key != key:
            if person.email_key is not None:
                del self.emails[person.email_key]
            self.emails[key] = person
            person.email_key = key
        elif person.email_at == at and person.email == text:
            return
        person.email = text
        person.email_at = at
        person.changed = person.keys_changed = True

    def clear_email(self, person: Person, at: int) -> None:
        """Take the e-mail away unless a newer one is known; it is free for others then."""
        if person.email_at is not None and at < person.email_at:
            return
        if person.email_key is None and person.email_at == at:
            return
        if person.email_key is not None:
            del self.emails[person.email_key]
        person.email = person.email_key = None
        person.email_at = at
        person.changed = person.keys_changed = True

    def merge_traits(self, person: Person, incoming: Mapping[str, Any], at: int) -> None:
        if traits.merge(person.traits, person.trait_times, incoming, at):
            person.changed = person.traits_changed = True

    def add_to_group(self, person: Person, group_id: str, at: int) -> None:
        known_at = person.groups.get(group_id)
        person.groups[group_id] = at if known_at is None else min(known_at, at)

    def see(self, person: Person, placement: Placement) -> None:
        """Note that this message was placed with this person."""
        person.placements.append(placement)
        at = placement.sighting.at
        if at > person.last_seen:
            if at - person.last_seen > VISIT_GAP:
                person.visits += 1
                person.visit_began = at
            person.last_seen = at
        person.first_seen = min(person.first_seen, at)
        # Also by a late message: what was counted of this person counts one more, and a page's copy is stale.
        person.changed = True

    def wait(self, anonymous_id: str, placement: Placement) -> None:
        """Keep this message under an anonymous id that belongs to nobody yet."""
        self.waiting.setdefault(anonymous_id, []).append(placement)

    def tell_visitor(self, anonymous_id: str, incoming: Mapping[str, Any], at: int) -> None:
        visitor = self._visitor(anonymous_id)
        if traits.merge(visitor.traits, visitor.trait_times, incoming, at):
            visitor.changed = True

    def tell_visitor_group(self, anonymous_id: str, group_id: str) -> None:
        visitor = self._visitor(anonymous_id)
        if group_id not in visitor.group_ids:
            visitor.group_ids.append(group_id)
            visitor.changed = True

    def dispute(self, kind: ConflictKind, first: Person, second: Person, sighting: Sighting) -> None:
        """Note that two users stay as they are and a human has to decide."""
        self.disputes.append(Dispute(kind, first, second, sighting.email.key, sighting.user_id, sighting.message_id))

    def join(self, anonymous_id: str, person: Person, how: How, sighting: Sighting) -> None:
        """Link an anonymous id that belongs to nobody yet, and hand over all that is kept under it."""
        self.link("anonymous_id", anonymous_id, person, how, sighting.message_id)
        self.ledger.join(anonymous_id, person)
        self.handovers += 1
        for placement in self.waiting.pop(anonymous_id, ()):
            placement.user = person
            person.placements.append(placement)
        visitor = self.visitors.get(anonymous_id)
        if visitor is None or visitor.gone:
            return
        visitor.gone = True
        if traits.fold(person.traits, person.trait_times, visitor.traits, visitor.trait_times):
            person.changed = person.traits_changed = True
        for group_id in visitor.group_ids:
            self.add_to_group(person, group_id, sighting.at)

    def split(self, link: Link, at: int) -> Person:
        """Make a new user of an id: what was sent under it goes along, traits stay."""
        source = link.user
        person = self.create(None, at)
        self.unlink(link)
        self.name(person, link.value)
        self.ledger.split(source, person, link.value)
        self.handovers += 1
        staying = []
        for placement in source.placements:
            if placement.sighting.user_id == link.value:
                placement.user = person
                person.placements.append(placement)
            else:
                staying.append(placement)
        source.placements = staying
        return person

    def fold(self, source: Person, target: Person, how: How, message_id: str | None) -> None:
        """Make two users one: per trait and for the e-mail the newest wins, on equal times the target's."""
        self._leave(source)
        source.into = target
        if source.username is not None:
            self.link("user_id", source.username, target, how, message_id)
        for link in source.links:
            link.user = target
            link.changed = True
        target.links.extend(source.links)
        if _email_rank(source) > _email_rank(target):
            if target.email_key is not None:
                del self.emails[target.email_key]
            target.email, target.email_key, target.email_at = source.email, source.email_key, source.email_at
            if target.email_key is not None:
                self.emails[target.email_key] = target
            target.keys_changed = True
        if traits.fold(target.traits, target.trait_times, source.traits, source.trait_times):
            target.traits_changed = True
        target.visits += source.visits
        if source.last_seen > target.last_seen:
            target.visit_began = source.visit_began
        target.first_seen = min(target.first_seen, source.first_seen)
        target.last_seen = max(target.last_seen, source.last_seen)
        target.changed = True
        for group_id, at in source.groups.items():
            self.add_to_group(target, group_id, at)
        for placement in source.placements:
            placement.user = target
        target.placements.extend(source.placements)
        source.links, source.placements, source.groups = [], [], {}
        self.ledger.fold(source, target)
        self.handovers += 1

    def erase(self, person: Person) -> None:
        """Forget a person with all ids, messages and groups."""
        self._leave(person)
        for link in person.links:
            del self._links(link.kind)[link.value]
        for placement in person.placements:
            placement.user = None
            placement.dropped = True
        person.links, person.placements, person.groups = [], [], {}
        self.ledger.erase(person)

    def erase_loose(self, user_ids: tuple[str, ...]) -> None:
        """Forget what is kept with nobody and carries one of these ids."""
        for user_id in user_ids:
            for placement in self.loose.pop(user_id, ()):
                if placement.user is None:
                    placement.dropped = True
        self.ledger.erase_loose(user_ids)

    def _leave(self, person: Person) -> None:
        """Take a person who goes out of the indices."""
        if person.username is not None:
            del self.usernames[person.username]
        if person.email_key is not None:
            del self.emails[person.email_key]
        person.gone = person.changed = True

    def _visitor(self, anonymous_id: str) -> Visitor:
        """Return what is known about an anonymous id that belongs to nobody yet."""
        visitor = self.visitors.get(anonymous_id)
        if visitor is None or visitor.gone:
            visitor = Visitor(anonymous_id, stored=visitor is not None and visitor.stored)
            self.visitors[anonymous_id] = visitor
        return visitor

    def _links(self, kind: LinkKind) -> dict[str, Link]:
        return self.user_links if kind == "user_id" else self.anonymous_links


def _email_rank(person: Person) -> int:
    """Return how new the e-mail is. One without a time is older than every other, yet better than none."""
    if person.email_at is not None:
        return person.email_at
    return -1 if person.email_key is None else 0
