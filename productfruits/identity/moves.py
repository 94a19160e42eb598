"""Where the rows that are already stored end up after a group of messages.

Within one group a user can be split, folded, folded again and erased, through users who never reach the store. The
ledger follows each portion of the stored rows to its last owner, so that the store is told only the outcome: from a
user who is stored to one who is there in the end.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from productfruits.identity.people import Person


@dataclass(frozen=True, slots=True)
class MoveEvents:
    """Give the events that a user sent under one id to another user; to nobody: erase them."""

    from_user_id: str
    to_user_id: str | None
    sent_user_id: str


@dataclass(frozen=True, slots=True)
class JoinVisitor:
    """Give the events kept under an anonymous id (of one sent user id, if given) to a user; to nobody: erase them."""

    anonymous_id: str
    to_user_id: str | None
    sent_user_id: str | None = None


@dataclass(frozen=True, slots=True)
class MoveUser:
    """Give all that a user still has to another user: events, ids, memberships, states, conflicts. The user goes."""

    from_user_id: str
    to_user_id: str


@dataclass(frozen=True, slots=True)
class EraseUser:
    """Erase all that a user still has, and the user."""

    user_id: str


@dataclass(frozen=True, slots=True)
class EraseLoose:
    """Erase the events kept with nobody that carry one of these user ids."""

    sent_user_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Portion:
    """Rows of one person as they were stored before the group: a user's, or those under an anonymous id of nobody.

    With `sent_user_id` only those sent under this id, else all but those sent under one of the ids in `without`.
    """

    user_id: str | None
    anonymous_id: str | None
    sent_user_id: str | None
    without: tuple[str, ...]


Effect = MoveEvents | JoinVisitor | MoveUser | EraseUser | EraseLoose


@dataclass(slots=True, eq=False)
class Share:
    """A portion of the rows of one origin: those sent under one id or, with None, the rest. No owner means erased."""

    origin: "Origin"
    sent_user_id: str | None
    owner: Person | None


@dataclass(slots=True, eq=False)
class Origin:
    """Rows that were in one place when the group began: a stored user's, or those kept under an anonymous id."""

    user_id: str | None = None
    anonymous_id: str | None = None
    rest: Share = field(init=False)
    apart: dict[str, Share] = field(init=False, default_factory=dict)


@dataclass(slots=True, eq=False)
class Ledger:
    """Follows the stored rows through one group of messages."""

    _held: dict[str, list[Share]] = field(default_factory=dict)
    _users: dict[str, Origin] = field(default_factory=dict)
    # In order of time, since what was loose at one moment may have joined a user at the next.
    _unowned: list[Origin | EraseLoose] = field(default_factory=list)

    def split(self, source: Person, target: Person, sent_user_id: str) -> None:
        """The events that `source` has under this id are `target`'s from now on."""
        staying: list[Share] = []
        leaving: list[Share] = []
        for share in self._shares(source):
            if share.sent_user_id == sent_user_id:
                leaving.append(share)
                continue
            staying.append(share)
            if share.sent_user_id is None and sent_user_id not in share.origin.apart:
                portion = share.origin.apart[sent_user_id] = Share(share.origin, sent_user_id, source)
                leaving.append(portion)
        self._held[source.id] = staying
        self._give(leaving, target)

    def fold(self, source: Person, target: Person) -> None:
        """All that `source` has is `target`'s from now on."""
        shares = self._shares(source)
        self._held[source.id] = []
        self._give(shares, target)

    def erase(self, person: Person) -> None:
        """All that this person has is gone."""
        for share in self._shares(person):
            share.owner = None
        self._held[person.id] = []

    def erase_loose(self, user_ids: tuple[str, ...]) -> None:
        """What was kept with nobody under one of these ids is gone."""
        self._unowned.append(EraseLoose(user_ids))

    def join(self, anonymous_id: str, person: Person) -> None:
        """What is kept under this anonymous id is this person's from now on."""
        origin = Origin(anonymous_id=anonymous_id)
        origin.rest = Share(origin, None, person)
        self._give([origin.rest], person)
        self._unowned.append(origin)

    def portions(self, person: Person) -> list[Portion]:
        """Return where the rows are stored that are this person's by now."""
        return [
            Portion(
                share.origin.user_id,
                share.origin.anonymous_id,
                share.sent_user_id,
                tuple(share.origin.apart) if share.sent_user_id is None else (),
            )
            for share in self._shares(person)
        ]

    def effects(self) -> list[Effect]:
        """Return what the store has to do, in an order in which no step sees the outcome of another.

        First what leaves users who stay (for new users, then for stored ones), then users who go, then what belonged to
        nobody: nothing is given to a user who still has to give the same away.
        """
        parting: list[Effect] = []
        changing: list[Effect] = []
        going: list[Effect] = []
        for user_id, origin in self._users.items():
            owner = origin.rest.owner
            stays = owner is not None and owner.id == user_id
            for sent, share in _elsewhere(origin):
                to_stored = share.owner is not None and share.owner.stored
                steps = going if not stays else changing if to_stored else parting
                steps.append(MoveEvents(user_id, _id(share.owner), sent))
            if owner is None:
                going.append(EraseUser(user_id))
            elif not stays:
                going.append(MoveUser(user_id, owner.id))
        unowned: list[Effect] = []
        for entry in self._unowned:
            if isinstance(entry, EraseLoose):
                unowned.append(entry)
            elif entry.anonymous_id is not None:
                unowned += (JoinVisitor(entry.anonymous_id, _id(s.owner), sent) for sent, s in _elsewhere(entry))
                unowned.append(JoinVisitor(entry.anonymous_id, _id(entry.rest.owner)))
        return parting + changing + going + unowned

    def forget(self) -> None:
        """Undo the circles of references."""
        for origin in (*self._users.values(), *self._unowned):
            if isinstance(origin, Origin):
                del origin.rest
                origin.apart.clear()

    def _shares(self, person: Person) -> list[Share]:
        """Return what this person has; the first time, of a stored one, that is the own rows."""
        shares = self._held.get(person.id)
        if shares is None:
            shares = self._held[person.id] = []
            if person.stored:
                origin = self._users[person.id] = Origin(user_id=person.id)
                origin.rest = Share(origin, None, person)
                shares.append(origin.rest)
        return shares

    def _give(self, shares: list[Share], target: Person) -> None:
        for share in shares:
            share.owner = target
        self._shares(target).extend(shares)


def _elsewhere(origin: Origin) -> Iterator[tuple[str, Share]]:
    """Yield the portions that end up elsewhere than the rest of their origin."""
    for sent, share in origin.apart.items():
        if share.owner is not origin.rest.owner:
            yield sent, share


def _id(person: Person | None) -> str | None:
    return None if person is None else person.id
