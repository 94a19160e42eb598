"""A workspace as its pages meet it: live content with its rules compiled, looks, settings and secrets, all in memory.

It is read once for each generation of the workspace's content and then shared by threads; nothing in it changes but the
store of rendered contents, which only grows.
"""

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from productfruits.adoption import evaluate, gates, rendering, rules, vocabulary
from productfruits.adoption.conditions import InGroup, Rule
from productfruits.adoption.documents import Document
from productfruits.adoption.evaluate import Compiled
from productfruits.adoption.gates import Candidate, Check, Frequency, Policy, Schedule
from productfruits.adoption.subjects import EventCount
from productfruits.models import AdoptionSettings, Connection, Content, Workspace
from productfruits.services import adoption_settings, audiences, contents, identity_secrets, themes
from productfruits.services.adoption_settings import Values
from productfruits.services.contents import Live
from productfruits.services.identity_secrets import LiveSecret
from productfruits.services.themes import Looks
from productfruits.services.times import microseconds
from productfruits.services.vault import Vault

#: Contents of former versions and rendered languages that are kept; more than that begins anew.
KEPT: Final = 2_000
#: {{firstName|there}} in a text.
_PLACEHOLDER = re.compile(r"\{\{\s*([^{}|]{1,200}?)\s*(?:\|[^{}]*)?\}\}")


@dataclass(frozen=True, slots=True)
class Stamp:
    """What says whether a site is still as it was read."""

    workspace_id: int
    generation: int
    to_segment: bool


@dataclass(frozen=True, slots=True)
class Known:
    """Any content of the workspace, seen by users or not: what a state may be about."""

    key: str
    kind: str
    reset_at: int | None


@dataclass(frozen=True, slots=True)
class Shown:
    """A live content, ready to be asked whether it shows."""

    live: Live
    candidate: Candidate
    #: What stands between it and a user besides its targeting.
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    key: str
    stamp: Stamp
    settings: Values
    policy: Policy
    secrets: tuple[LiveSecret, ...] = field(repr=False)
    contents: tuple[Shown, ...]
    #: Their rules, in this order.
    targeting: tuple[Compiled, ...]
    #: By id.
    known: Mapping[int, Known]
    looks: Looks
    #: What subjects must bring for the rules.
    asks: frozenset[EventCount]
    asks_groups: bool
    #: Some answer changes as time goes by, with nothing else happening.
    depends_on_time: bool
    #: Names of the traits that texts mention.
    mentioned: frozenset[str]
    #: The settings as pages get them, in JSON.
    told: msgspec.Raw
    _rendered: dict[tuple[int, int, str], msgspec.Raw] = field(default_factory=dict, repr=False)
    _documents: dict[tuple[int, int], Document] = field(default_factory=dict, repr=False)

    @property
    def workspace_id(self) -> int:
        return self.stamp.workspace_id

    def document(self, session: Session, live: Live, version: int) -> tuple[int, Document]:
        """The content as it was published under this number, or as it is now if there is no such version."""
        if version == live.version:
            return live.version, live.document
        known = self._documents.get((live.id, version))
        if known is None:
            try:
                known = contents.at_version(session, self.workspace_id, live.id, version)
            except contents.NoSuchVersion:
                return live.version, live.document
            _keep(self._documents, (live.id, version), known)
        return version, known

    def rendered(self, live: Live, version: int, document: Mapping[str, Any], language: str | None) -> msgspec.Raw:
        """What a page gets of the content in the language nearest to this one, as the inside of a JSON object."""
        shown = rendering.language(document, language)
        known = self._rendered.get((live.id, version, shown))
        if known is None:
            content = {"id": live.id, "version": version, **rendering.render(document, shown)}
            content["theme"] = self.looks.of(document["theme"])
            known = msgspec.Raw(msgspec.json.encode(content)[1:-1])
            _keep(self._rendered, (live.id, version, shown), known)
        return known


def stamp(session: Session, workspace_key: str) -> Stamp | None:
    """The stamp of the workspace with this key now, or None if there is none. One statement."""
    row = session.execute(
        select(Workspace.id, AdoptionSettings.generation, Connection.active, Connection.sends_events)
        .outerjoin(AdoptionSettings, AdoptionSettings.workspace_id == Workspace.id)
        .outerjoin(Connection, Connection.workspace_id == Workspace.id)
        .where(Workspace.key == workspace_key)
    ).one_or_none()
    if row is None:
        return None
    return Stamp(row.id, row.generation or 0, bool(row.active and row.sends_events))


def load(session: Session, workspace_key: str, stamp: Stamp, now: dt.datetime, vault: Vault) -> Site:
    """The workspace as its pages meet it. Raises `vault.Undecryptable` where hashes are asked for."""
    workspace_id = stamp.workspace_id
    settings = adoption_settings.of(session, workspace_id)
    live = contents.live(session, workspace_id)
    saved = audiences.rules_by_key(session, workspace_id)
    ruled = policy(settings)
    shown = tuple(_shown(each, saved, ruled) for each in live)
    targeting = [each.candidate.targeting for each in shown]
    verifies = settings.verification != "off"
    return Site(
        key=workspace_key,
        stamp=stamp,
        settings=settings,
        policy=ruled,
        secrets=identity_secrets.live(session, workspace_id, now, vault) if verifies else (),
        contents=shown,
        targeting=tuple(targeting),
        known=_known(session, workspace_id),
        looks=themes.looks(session, workspace_id),
        asks=frozenset(ask for compiled in targeting for ask in compiled.asks),
        asks_groups=any(_asks_groups(compiled) for compiled in targeting),
        depends_on_time=_depends_on_time(shown, settings),
        mentioned=frozenset(name for each in live for name in _mentioned(each.document)),
        told=_told(settings, stamp),
    )


def candidate(content: Content, live: Live | None, saved: Mapping[str, Rule]) -> Candidate:
    """A content as the gates see it: what users see of it, or its draft where they see nothing."""
    document = content.draft if live is None else live.document
    return _candidate(content.id, content.kind, content.status, document, saved)


def policy(settings: Values) -> Policy:
    """What the workspace decided for all of its content."""
    return Policy(
        verification=settings.verification,
        trusts_page=settings.trusts_page,
        allows_anonymous=settings.allows_anonymous,
        time_zone=settings.time_zone,
        limit_count=settings.limit_count,
        limit_days=settings.limit_days,
        quiet_hours=settings.quiet_hours,
    )


def _shown(live: Live, saved: Mapping[str, Rule], policy: Policy) -> Shown:
    candidate = _candidate(live.id, live.kind, "published", live.document, saved)
    return Shown(live, candidate, gates.that_may_close(candidate, policy))


def _candidate(content_id: int, kind: str, status: str, document: Document, saved: Mapping[str, Rule]) -> Candidate:
    schedule = document["schedule"] or {}
    return Candidate(
        id=content_id,
        kind=kind,
        status=status,
        targeting=evaluate.compile(rules.parse(document["targeting"]), saved),
        start=document["start"],
        frequency=Frequency(document["frequency"]["show"], document["frequency"].get("days")),
        schedule=Schedule(_local(schedule.get("from")), _local(schedule.get("until"))),
    )


def _known(session: Session, workspace_id: int) -> dict[int, Known]:
    rows = session.execute(
        select(Content.id, Content.key, Content.kind, Content.reset_at).where(Content.workspace_id == workspace_id)
    )
    return {
        row.id: Known(row.key, row.kind, None if row.reset_at is None else microseconds(row.reset_at)) for row in rows
    }


def _depends_on_time(shown: Iterable[Shown], settings: Values) -> bool:
    if settings.limit_count is not None or settings.quiet_hours:
        return True
    return any(
        each.candidate.targeting.depends_on_time
        # Traits of a group change without a message of this user.
        or _asks_groups(each.candidate.targeting)
        or each.candidate.schedule != Schedule()
        or each.candidate.frequency.show in ("every_days", "until_completed")
        or _snoozes(each.live.document)
        for each in shown
    )


def _snoozes(document: Mapping[str, Any]) -> bool:
    buttons = (button for step in document.get("steps", ()) for button in step["buttons"])
    return any(button["action"]["do"] == "snooze" for button in buttons)


def _asks_groups(compiled: Compiled) -> bool:
    """Whether the rule, or one of the audiences that it can lead to, is about groups."""
    every = [compiled.rule, *(compiled.audiences.values() if compiled.rule.audiences() else ())]
    return any(isinstance(leaf, InGroup) for rule in every for leaf in rule.leaves())


def _mentioned(document: Any) -> Iterable[str]:
    """The traits that any text in a document mentions."""
    if isinstance(document, str):
        yield from _PLACEHOLDER.findall(document)
    elif isinstance(document, Mapping):
        for value in document.values():
            yield from _mentioned(value)
    elif isinstance(document, list):
        for value in document:
            yield from _mentioned(value)


def _told(settings: Values, stamp: Stamp) -> msgspec.Raw:
    names = {raw: settings.event_names.get(raw, event.name) for raw, event in vocabulary.EVENTS.items()}
    return msgspec.Raw(msgspec.json.encode({"to_segment": stamp.to_segment, "event_names": names}))


def _local(text: str | None) -> dt.datetime | None:
    return None if text is None else dt.datetime.fromisoformat(text)


def _keep(store: dict[Any, Any], key: Any, value: Any) -> None:
    if len(store) >= KEPT:
        store.clear()
    store[key] = value
