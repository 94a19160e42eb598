"""Carries the slice of the store that a group of messages speaks of into an identity.Directory, and back.

The rule of who is who is `productfruits.identity`; here are only the selects before it and the bulk statements after
it: a handful each, whatever the size of the group. The caller holds the workspace's write lock.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import bindparam, delete, exists, select, update
from sqlalchemy.orm import Session

from productfruits.database import table
from productfruits.identity.directory import Changes, Directory, EraseUser, Link, Person, Sighting, Visitor
from productfruits.models import Conflict, GroupMember, Tombstone, User, UserAlias, Workspace
from productfruits.models import Visitor as VisitorRow
from productfruits.services import bulk, conflicts, erasure, lookups, moves, tombstones, user_ids
from productfruits.services.times import instant, microseconds

USER_COLUMNS = (
    User.id,
    User.username,
    User.email,
    User.email_key,
    User.email_at,
    User.traits,
    User.trait_times,
    User.first_seen_at,
    User.last_seen_at,
    User.visits,
    User.visit_began_at,
)
ALIAS_COLUMNS = (UserAlias.kind, UserAlias.value, UserAlias.user_id, UserAlias.how, UserAlias.message_id)
VISITOR_COLUMNS = (VisitorRow.anonymous_id, VisitorRow.traits, VisitorRow.trait_times, VisitorRow.group_ids)
ERASING = select(
    Workspace.salt,
    Workspace.suppress_erased,
    exists().where(Tombstone.workspace_id == Workspace.id).label("has_tombstones"),
).where(Workspace.id == bindparam("of_workspace"))


def load(session: Session, workspace_id: int, sightings: Sequence[Sighting]) -> Directory:
    """Everybody whom these sightings can lead to, with the ids, visitors and tombstones that matter for them."""
    emails = {s.email.key for s in sightings if s.email.key}
    ids = {i for s in sightings for i in (s.user_id, s.previous_id) if i}
    anonymous_ids = {i for s in sightings for i in (s.anonymous_id, s.previous_id) if i}

    def by_keys(columns: lookups.Columns, key: Any, keys: Collection[str], **equal: str) -> lookups.Question:
        return lookups.by_keys(session, columns, key, workspace_id, keys, **equal)

    [workspace], by_email, by_username, user_aliases, anonymous_aliases, visitors = lookups.ask(
        session,
        [
            lookups.Question(ERASING, {"of_workspace": workspace_id}),
            by_keys(USER_COLUMNS, User.email_key, emails),
            by_keys(USER_COLUMNS, User.username, ids),
            by_keys(ALIAS_COLUMNS, UserAlias.value, ids, kind="user_id"),
            by_keys(ALIAS_COLUMNS, UserAlias.value, anonymous_ids, kind="anonymous_id"),
            by_keys(VISITOR_COLUMNS, VisitorRow.anonymous_id, anonymous_ids),
        ],
    )
    aliases = {(row.kind, row.value): row for row in (*user_aliases, *anonymous_aliases)}
    users = {row.id: row for row in (*by_email, *by_username)}
    if unknown := {row.user_id for row in aliases.values()} - users.keys():
        [rows] = lookups.ask(session, [by_keys(USER_COLUMNS, User.id, unknown)])
        users |= {row.id: row for row in rows}
    if users and any(sighting.kind == "delete" for sighting in sightings):
        # A delete leaves a tombstone for every id of the user.
        [rows] = lookups.ask(session, [by_keys(ALIAS_COLUMNS, UserAlias.user_id, users.keys())])
        aliases |= {(row.kind, row.value): row for row in rows}

    salt = workspace.salt
    buried: dict[bytes, int] = {}
    if workspace.has_tombstones:  # where nobody was ever erased, nothing need be hashed
        keys = [("email", key) for key in emails]
        keys += [(kind, i) for kind, named in (("user_id", ids), ("anonymous_id", anonymous_ids)) for i in named]
        buried = tombstones.load(session, workspace_id, salt, keys)
    people = {user_id: _person(row) for user_id, row in users.items()}
    return Directory(
        people.values(),
        [_link(row, people[row.user_id]) for row in aliases.values()],
        [Visitor(row.anonymous_id, row.traits, row.trait_times, row.group_ids, stored=True) for row in visitors],
        tombstones=buried,
        digest=lambda kind, value: tombstones.digest(salt, kind, value),
        suppress=workspace.suppress_erased,
        new_id=user_ids.new,
    )


def save(session: Session, workspace_id: int, changes: Changes, now: dt.datetime) -> Sequence[Conflict]:
    """Write what the directory decided, in the one order in which no unique key is taken before it is free.

    Returns the conflicts that are new.
    """
    _forget_dead_letters(session, workspace_id, changes)
    _release_keys(session, changes)
    _save_people(session, workspace_id, changes, now)
    for link in changes.removed_links:
        session.execute(
            delete(UserAlias).where(
                UserAlias.workspace_id == workspace_id, UserAlias.kind == link.kind, UserAlias.value == link.value
            )
        )
    if changes.gone_visitors:
        session.execute(
            delete(VisitorRow).where(
                VisitorRow.workspace_id == workspace_id,
                VisitorRow.anonymous_id.in_([visitor.anonymous_id for visitor in changes.gone_visitors]),
            )
        )
    moves.carry_out(session, workspace_id, changes.effects, now)
    _save_links(session, workspace_id, changes, now)
    _save_visitors(session, workspace_id, changes)
    _save_memberships(session, workspace_id, changes)
    found = conflicts.record(session, workspace_id, changes.conflicts, now)
    tombstones.bury(session, workspace_id, changes.tombstones)
    return found


def _person(row: Any) -> Person:
    return Person(
        id=row.id,
        username=row.username,
        email=row.email,
        email_key=row.email_key,
        email_at=row.email_at,
        traits=row.traits,
        trait_times=row.trait_times,
        first_seen=microseconds(row.first_seen_at),
        last_seen=microseconds(row.last_seen_at),
        visits=row.visits,
        visit_began=microseconds(row.visit_began_at),
        stored=True,
    )


def _link(row: Any, person: Person) -> Link:
    return Link(row.kind, row.value, person, row.how, row.message_id, stored=True)


def _forget_dead_letters(session: Session, workspace_id: int, changes: Changes) -> None:
    erased = {effect.user_id for effect in changes.effects if isinstance(effect, EraseUser)}
    if erased:
        texts = {key for p in changes.gone_people if p.id in erased for key in (p.loaded_username, p.loaded_email_key)}
        texts |= {link.value for link in changes.removed_links if link.user.id in erased}
        erasure.erase_dead_letters(session, workspace_id, {text for text in texts if text})


def _release_keys(session: Session, changes: Changes) -> None:
    """Free the usernames and e-mails that somebody gives up, so that somebody else of this group can take them."""
    people = [*changes.changed_people, *changes.gone_people]
    for column, given_up in (
        (User.username, [p.id for p in people if p.loaded_username and (p.gone or p.username != p.loaded_username)]),
        (
            User.email_key,
            [p.id for p in people if p.loaded_email_key and (p.gone or p.email_key != p.loaded_email_key)],
        ),
    ):
        if given_up:
            session.execute(update(User).where(User.id.in_(given_up)).values({column: None}))


def _save_people(session: Session, workspace_id: int, changes: Changes, now: dt.datetime) -> None:
    bulk.insert(
        session,
        User,
        [
            {"id": p.id, "workspace_id": workspace_id, "created_at": now, **_seen(p, now), **_keys(p), **_traits(p)}
            for p in changes.new_people
        ],
    )
    # Most messages move only the time of the last sighting: traits are written again only where they changed.
    portions: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for person in changes.changed_people:
        values = _seen(person, now)
        if person.keys_changed:
            values |= _keys(person)
        if person.traits_changed:
            values |= _traits(person)
        portions.setdefault(tuple(values), []).append(values | {"id": person.id})
    for rows in portions.values():
        bulk.update(session, User, "id", rows)


def _seen(person: Person, now: dt.datetime) -> dict[str, Any]:
    last_seen = instant(person.last_seen)
    # Of one who is new all three are the same.
    return {
        "first_seen_at": last_seen if person.first_seen == person.last_seen else instant(person.first_seen),
        "last_seen_at": last_seen,
        "visits": person.visits,
        "visit_began_at": last_seen if person.visit_began == person.last_seen else instant(person.visit_began),
        "changed_at": now,
    }


def _keys(person: Person) -> dict[str, Any]:
    return {
        "username": person.username,
        "email": person.email,
        "email_key": person.email_key,
        "email_at": person.email_at,
    }


def _traits(person: Person) -> dict[str, Any]:
    return {"traits": person.traits, "trait_times": person.trait_times}


def _save_links(session: Session, workspace_id: int, changes: Changes, now: dt.datetime) -> None:
    rows = [
        {
            "workspace_id": workspace_id,
            "kind": link.kind,
            "value": link.value,
            "user_id": link.user.id,
            "how": link.how,
            "message_id": link.message_id,
            "created_at": now,
        }
        # In the order of the index, so that neighbours meet a page that is still at hand.
        for link in sorted(changes.saved_links, key=lambda link: (link.kind, link.value))
    ]
    key = ("workspace_id", "kind", "value")
    bulk.insert(session, UserAlias, rows, known_by=key, replacing=("user_id", "how", "message_id"))


def _save_visitors(session: Session, workspace_id: int, changes: Changes) -> None:
    rows = [
        {
            "workspace_id": workspace_id,
            "anonymous_id": visitor.anonymous_id,
            "traits": visitor.traits,
            "trait_times": visitor.trait_times,
            "group_ids": visitor.group_ids,
        }
        for visitor in changes.saved_visitors
    ]
    key = ("workspace_id", "anonymous_id")
    bulk.insert(session, VisitorRow, rows, known_by=key, replacing=("traits", "trait_times", "group_ids"))


def _save_memberships(session: Session, workspace_id: int, changes: Changes) -> None:
    """The earlier of two times stays, so that the order of arrival makes no difference."""
    if not changes.memberships:
        return
    rows = [
        {
            "workspace_id": workspace_id,
            "group_id": membership.group_id,
            "user_id": membership.user_id,
            "joined_at": instant(membership.at),
        }
        for membership in changes.memberships
    ]
    bulk.insert(session, GroupMember, rows, known_by=("workspace_id", "group_id", "user_id"))
    members = table(GroupMember)
    session.execute(
        update(members)
        .where(
            members.c.workspace_id == workspace_id,
            members.c.group_id == bindparam("of_group"),
            members.c.user_id == bindparam("of_user"),
            members.c.joined_at > bindparam("earlier"),
        )
        .values(joined_at=bindparam("earlier")),
        [{"of_group": row["group_id"], "of_user": row["user_id"], "earlier": row["joined_at"]} for row in rows],
    )
