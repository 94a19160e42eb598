"""The directory: decides, message after message, which user each one belongs to (docs/matching-rule.md).

The caller loads the slice of the store that a group of messages can reach: everybody who owns an e-mail, a username or
an id named in the group, these people's other ids if the group holds a delete, and what the anonymous ids and previous
ids named in it said before they joined anybody. Then it applies the messages in order of arrival and writes what
`changes` returns. The result does not depend on where one group ends and the next one begins.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from productfruits.identity.aliasing import alias
from productfruits.identity.erasing import Digest, Tombstones, delete
from productfruits.identity.matching import match
from productfruits.identity.moves import Effect, EraseLoose, EraseUser, JoinVisitor, MoveEvents, MoveUser, Portion
from productfruits.identity.people import Link, Person, Placement, Sighting, Visitor
from productfruits.identity.register import ConflictKind, Register

__all__ = [
    "Changes",
    "Conflict",
    "Directory",
    "Effect",
    "EraseLoose",
    "EraseUser",
    "JoinVisitor",
    "Link",
    "Membership",
    "MoveEvents",
    "MoveUser",
    "Person",
    "Placement",
    "Portion",
    "Sighting",
    "Visitor",
]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two users between whom a human has to decide. At most one of a kind for a pair."""

    kind: ConflictKind
    user_ids: tuple[str, ...]
    email: str | None
    username: str | None
    message_id: str | None


@dataclass(frozen=True, slots=True)
class Membership:
    """A user is in a group, since `at` or, if that is known already, earlier."""

    group_id: str
    user_id: str
    at: int


@dataclass(frozen=True, slots=True)
class Changes:
    """What a group of messages changed, in the portions in which it is written.

    In this order no key is ever taken twice: free the keys of changed and gone people (`loaded_username`,
    `loaded_email_key`), write people, remove links and visitors, do the effects, write the rest.
    """

    new_people: list[Person]
    changed_people: list[Person]
    gone_people: list[Person]
    saved_links: list[Link]
    removed_links: list[Link]
    saved_visitors: list[Visitor]
    gone_visitors: list[Visitor]
    memberships: list[Membership]
    conflicts: list[Conflict]
    tombstones: dict[bytes, int]
    effects: list[Effect]


class Directory:
    """Decides who is who over a slice of the store. `new_id` is called once for each user that a message creates."""

    def __init__(
        self,
        people: Iterable[Person],
        links: Iterable[Link],
        visitors: Iterable[Visitor],
        *,
        tombstones: Mapping[bytes, int],
        digest: Digest,
        suppress: bool,
        new_id: Callable[[], str],
    ) -> None:
        self.placements: list[Placement] = []
        self._register = Register(people, links, visitors, new_id)
        self._tombstones = Tombstones.of(tombstones, digest, suppress)

    def apply(self, sighting: Sighting) -> Placement:
        """Place one message and remember what it changes."""
        tombstones = self._tombstones
        if sighting.kind == "delete":
            placement = delete(self._register, tombstones, sighting)
        elif tombstones.known and tombstones.cover(sighting):
            placement = Placement(sighting, None, "none", "tombstoned")
        elif sighting.kind == "alias":
            placement = alias(self._register, sighting)
        else:
            placement = match(self._register, sighting)
        self.placements.append(placement)
        return placement

    @property
    def handovers(self) -> int:
        """How often somebody got what belonged to somebody else until then: joins, unions and partings so far."""
        return self._register.handovers

    def owner_of(self, anonymous_id: str) -> Person | None:
        """Return the user whom this anonymous id has joined by now."""
        return self._register.by_anonymous_id(anonymous_id)

    def visitor(self, anonymous_id: str) -> Visitor | None:
        """Return what is known by now about an anonymous id that belongs to nobody."""
        visitor = self._register.visitors.get(anonymous_id)
        return None if visitor is None or visitor.gone else visitor

    def placed(self, holder: Person | str) -> list[Placement]:
        """Return the messages of this group that are by now this person's, or kept under this anonymous id."""
        if isinstance(holder, Person):
            return holder.placements
        return self._register.waiting.get(holder, [])

    def portions(self, holder: Person | str) -> list[Portion]:
        """Return where the rows are stored that are by now this person's, or kept under this anonymous id."""
        if isinstance(holder, Person):
            return self._register.ledger.portions(holder)
        return [Portion(None, holder, None, ())]

    def people_all(self) -> list[Person]:
        """Return everybody who was loaded or created, the gone ones included."""
        return self._register.people

    def links_all(self) -> list[Link]:
        """Return every id that leads to somebody now."""
        return [*self._register.user_links.values(), *self._register.anonymous_links.values()]

    def changes(self) -> Changes:
        """Return what there is to write. To be asked once, after the last message of the group."""
        register = self._register
        people = register.people
        links = self.links_all()
        alive = {(link.kind, link.value) for link in links}
        visitors = register.visitors.values()
        return Changes(
            new_people=[person for person in people if not person.stored and not person.gone],
            changed_people=[person for person in people if person.stored and person.changed and not person.gone],
            gone_people=[person for person in people if person.stored and person.gone],
            saved_links=[link for link in links if link.changed],
            removed_links=[link for key, link in register.loaded_links.items() if key not in alive],
            saved_visitors=[visitor for visitor in visitors if visitor.changed and not visitor.gone],
            gone_visitors=[visitor for visitor in visitors if visitor.stored and visitor.gone],
            memberships=[
                Membership(group_id, person.id, at) for person in people for group_id, at in person.groups.items()
            ],
            conflicts=self._conflicts(),
            tombstones=self._tombstones.new,
            effects=register.ledger.effects(),
        )

    def forget(self) -> None:
        """Undo the circles of references; nothing may be asked of the directory, its people and links afterwards.

        Else all of them would lie about until the collector comes, and with thousands of messages a second it would
        come every few seconds, for a quarter of one.
        """
        for person in self._register.people:
            person.links.clear()
            person.placements.clear()
        self._register.ledger.forget()

    def _conflicts(self) -> list[Conflict]:
        """Return the conflicts that still have two users, each pair once however often it came up."""
        found: dict[tuple[str, frozenset[str]], Conflict] = {}
        for dispute in self._register.disputes:
            first, second = dispute.first.survivor(), dispute.second.survivor()
            if first is second or first.gone or second.gone:
                continue
            key = (dispute.kind, frozenset((first.id, second.id)))
            if key not in found:
                found[key] = Conflict(
                    dispute.kind, (first.id, second.id), dispute.email, dispute.username, dispute.message_id
                )
        return list(found.values())
