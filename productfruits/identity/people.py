"""The nouns of the matching rule: people, the ids that lead to them, what was seen, and where it was placed."""

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from productfruits.identity.keys import EmailClaim

LinkKind = Literal["user_id", "anonymous_id"]
#: How an id came to lead to a user: an e-mail in common, an alias call, a merge, an identify with both ids.
How = Literal["email", "alias", "merge", "identify"]
MatchedBy = Literal["email", "username", "alias", "created", "anonymous", "none"]
Verdict = Literal["stored", "erased", "tombstoned", "no_id", "rejected"]
#: After so many microseconds of silence, half an hour, a message begins another visit.
VISIT_GAP: Final = 30 * 60 * 1_000_000


class Person(msgspec.Struct, eq=False):
    """A user as the rule sees one. Times are microseconds since the epoch.

    `changed` says that anything did, the time of the last sighting included; `keys_changed` and `traits_changed` say
    what. A person who is `gone` was folded into another one (`into`) or erased.
    """

    id: str
    username: str | None = None
    email: str | None = None
    email_key: str | None = None
    email_at: int | None = None
    traits: dict[str, Any] = msgspec.field(default_factory=dict)
    trait_times: dict[str, int] = msgspec.field(default_factory=dict)
    first_seen: int = 0
    last_seen: int = 0
    #: How often the user came, and when the last visit began.
    visits: int = 1
    visit_began: int = 0
    stored: bool = False
    changed: bool = False
    gone: bool = False
    keys_changed: bool = False
    traits_changed: bool = False
    loaded_username: str | None = None
    loaded_email_key: str | None = None
    into: "Person | None" = None
    links: "list[Link]" = msgspec.field(default_factory=list)
    placements: "list[Placement]" = msgspec.field(default_factory=list)
    groups: dict[str, int] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.stored:
            self.loaded_username = self.username
            self.loaded_email_key = self.email_key

    def survivor(self) -> "Person":
        """Return the user whom this one was folded into, if any, however many steps it took."""
        person = self
        while person.into is not None:
            person = person.into
        return person


class Link(msgspec.Struct, eq=False):
    """An id, besides the username, that leads to a user."""

    kind: LinkKind
    value: str
    user: Person
    how: How
    message_id: str | None = None
    stored: bool = False
    changed: bool = False


class Visitor(msgspec.Struct, eq=False):
    """What an anonymous id said about itself before it joined a user."""

    anonymous_id: str
    traits: dict[str, Any] = msgspec.field(default_factory=dict)
    trait_times: dict[str, int] = msgspec.field(default_factory=dict)
    group_ids: list[str] = msgspec.field(default_factory=list)
    stored: bool = False
    changed: bool = False
    gone: bool = False


class Sighting(msgspec.Struct, frozen=True, gc=False):
    """What one message says about who it is from. All ids have been through `keys.identifier`.

    `at` is the time of the message, but never later than its receipt; `traits` are those of an identify, without the
    e-mail.
    """

    kind: str
    message_id: str | None
    user_id: str | None
    anonymous_id: str | None
    previous_id: str | None
    group_id: str | None
    email: EmailClaim
    traits: Mapping[str, Any]
    at: int
    received: int
    trust: Literal["server", "public"]


class Placement(msgspec.Struct, eq=False):
    """Where a message went and why.

    `user` is the user at the end of the group, even if the message was placed with somebody who joined this user later.
    A placement is `dropped` when a later delete of the same group took the user, and then nothing of it is to be kept.
    """

    sighting: Sighting
    user: Person | None
    matched_by: MatchedBy
    verdict: Verdict = "stored"
    reason: str | None = None
    dropped: bool = False
