"""What a page gets: the contents that may show there, how far the user is in them, and what the server found out.

A public answer. It says nothing of a user but the progress that the page needs, unless the page has proved who it is.
"""

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from productfruits.adoption import gates, states
from productfruits.adoption.evaluate import Residual
from productfruits.adoption.gates import Case, Progress, Verdict
from productfruits.adoption.reasons import REASONS
from productfruits.adoption.states import State
from productfruits.adoption.subjects import Subject, spellings, trait
from productfruits.models import Event, User, UserAlias
from productfruits.services import content_states, documents, subjects
from productfruits.services.content_states import Owner
from productfruits.services.sites import Shown, Site
from productfruits.services.times import instant, microseconds

#: Gates that also close what is in the middle.
_ALWAYS = (gates.published, gates.schedule, gates.identity)
_STARTED = ("in_progress", "snoozed")
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Asked:
    """What a page says about itself. Ids have been through `keys.identifier`."""

    username: str | None = None
    anonymous_id: str | None = None
    verified: bool = False
    language: str | None = None
    debug: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """Whoever is behind the ids of a page: a user, or a visitor whose states may be those of a user by now."""

    #: Columns of the user whom the page names; None for visitors.
    user: Any = None
    owner: Owner | None = None
    #: Changes whenever an answer about this one could.
    changed: str = ""


USER_COLUMNS = (
    User.id,
    User.username,
    User.email,
    User.traits,
    User.first_seen_at,
    User.last_seen_at,
    User.visits,
    User.visit_began_at,
    User.changed_at,
)


def find(session: Session, site: Site, asked: Asked) -> Found:
    """Who is it? One indexed read where the page names a user by username."""
    mine = User.workspace_id == site.workspace_id
    if asked.username is not None:
        user = session.execute(select(*USER_COLUMNS).where(mine, User.username == asked.username)).one_or_none()
        if user is None:
            alias = _alias(session, site.workspace_id, "user_id", asked.username)
            if alias is not None:
                user = session.execute(select(*USER_COLUMNS).where(mine, User.id == alias)).one_or_none()
        if user is not None:
            return Found(user, ("user", user.id), f"{user.id}.{microseconds(user.changed_at)}")
    if asked.anonymous_id is None:
        return Found()
    # Of a visitor who has joined a user nothing is told but the progress: the page does not say that it is this user.
    user_id = _alias(session, site.workspace_id, "anonymous_id", asked.anonymous_id)
    if user_id is not None:
        changed_at = session.scalar(select(User.changed_at).where(mine, User.id == user_id))
        if changed_at is not None:
            return Found(None, ("user", user_id), f"{user_id}.{microseconds(changed_at)}")
    owner: Owner = ("visitor", asked.anonymous_id)
    own = content_states.load(session, site.workspace_id, [owner])
    parts = sorted((content_id, repr(state)) for (_, content_id), state in own.items())
    return Found(None, owner, hashlib.blake2b(repr(parts).encode(), digest_size=12).hexdigest())


def tag(site: Site, asked: Asked, found: Found, now: dt.datetime) -> str:
    """The ETag of the answer: as long as it is the same, the answer is."""
    minute = int(now.timestamp()) // 60 if site.depends_on_time else 0
    parts = (site.stamp.generation, int(site.stamp.to_segment), int(asked.verified), minute, found.changed)
    return f'"{".".join(map(str, parts))}"'


def answer(session: Session, site: Site, asked: Asked, found: Found, now: dt.datetime) -> bytes:
    """The answer in JSON."""
    own = _states(session, site, found)
    subject = subject_of(session, site, found, own, now)
    progress = {shown.live.id: progress_of(shown, own.get(shown.live.id)) for shown in site.contents}
    others = [each for each in progress.values() if each is not None]
    shows, why = [], []
    for shown in site.contents:
        state = own.get(shown.live.id, states.NOTHING)
        case = Case(shown.candidate, site.policy, subject, asked.verified, now, progress[shown.live.id], others)
        content = _content(session, site, asked, shown, case, state)
        if content is not None:
            shows.append(content)
        if asked.debug:
            why.append(
                {
                    "key": shown.live.key,
                    "kind": shown.live.kind,
                    "name": shown.live.name,
                    "gates": [_gate(verdict) for verdict in _told(case)],
                }
            )
    said = {
        "workspace": site.key,
        "known": found.user is not None,
        "verified": asked.verified,
        "traits": traits_told(site, found) if asked.verified else {},
        "visit": subject.visits,
        "settings": site.told,
        "completed": [shown.live.key for shown in site.contents if _is_completed(own.get(shown.live.id))],
        "unreported": _unreported(session, site, found, own),
        "contents": shows,
    }
    if asked.debug:
        said |= {
            "why": why,
            "reasons": {code: {"gate": reason.gate, "text": reason.text} for code, reason in REASONS.items()},
        }
    return _encode(said)


def subject_of(session: Session, site: Site, found: Found, own: Mapping[int, State], now: dt.datetime) -> Subject:
    """The one who looks at the page, as far as the live rules ask."""
    in_contents = {shown.live.key: own[shown.live.id].state for shown in site.contents if shown.live.id in own}
    user = found.user
    if user is None:
        return Subject(contents=in_contents, visit_began=now - subjects.GAP)
    return Subject(
        is_known=True,
        username=user.username,
        email=user.email,
        traits=user.traits,
        first_seen=user.first_seen_at,
        last_seen=user.last_seen_at,
        visits=user.visits,
        visit_began=now if now - user.last_seen_at > subjects.GAP else user.visit_began_at,
        groups=subjects.groups(session, site.workspace_id, user.id) if site.asks_groups else {},
        event_counts=subjects.counts(session, site.workspace_id, user.id, site.asks, now),
        contents=in_contents,
    )


def progress_of(shown: Shown, state: State | None) -> Progress | None:
    """A state as the gates see it."""
    if state is None:
        return None
    return Progress(
        shown.live.id,
        shown.live.kind,
        state.state,
        _instant(state.last_shown_at),
        _instant(state.ended_at),
        state.end_reason,
        _instant(state.snoozed_until),
    )


def traits_told(site: Site, found: Found) -> dict[str, Any]:
    """Of a proved user the traits that texts mention, under the names by which they mention them."""
    if found.user is None:
        return {}
    known = {**found.user.traits, "email": found.user.email}
    values = {name: trait(known, spellings(name)) for name in sorted(site.mentioned)}
    return {name: value for name, value in values.items() if type(value) in (str, int, float, bool)}


def _states(session: Session, site: Site, found: Found) -> dict[int, State]:
    if found.owner is None:
        return {}
    own = content_states.load(session, site.workspace_id, [found.owner])
    return {content_id: state for (_, content_id), state in own.items()}


def _content(session: Session, site: Site, asked: Asked, shown: Shown, case: Case, state: State) -> msgspec.Raw | None:
    """The content with everything about this user, or None if it has no business in the page."""
    if any(not check(case).passed for check in _ALWAYS):
        return None
    is_started = state.state in _STARTED
    left = gates.left_for_the_page(case)
    if left is False and not is_started:
        return None
    live, version, document = shown.live, shown.live.version, shown.live.document
    if is_started and live.kind == "tour":
        # Whoever is in the middle of a tour stays on the version that it began with.
        version, document = site.document(session, live, state.version)
    closed = [verdict.gate for verdict in gates.verdicts(case) if not verdict.passed]
    excused = {"targeting", "manual"} if is_started else set()
    about = {
        # In the middle of it the page does not count any more: it goes on wherever the next step is.
        "rule": left.tree if isinstance(left, Residual) and state.state != "in_progress" else None,
        "state": _state(live.kind, document, state),
        "eligible": not set(closed) - excused,
    }
    rendered = site.rendered(live, version, document, asked.language)
    return msgspec.Raw(b"{" + bytes(rendered) + b"," + _encode(about)[1:])


def _state(kind: str, document: Mapping[str, Any], state: State) -> dict[str, Any]:
    is_tour = kind == "tour"
    return {
        "state": state.state,
        "session_id": state.session_id,
        "step_id": states.current_step(state, [step["id"] for step in document["steps"]]) if is_tour else None,
        "items": {}
        if is_tour
        else {
            name: {
                "at": _told_at(item.at),
                "how": item.how,
                "event_id": item.event_id,
                "reported": item.reported,
            }
            for name, item in state.items.items()
            if name != states.WHOLE
        },
        "times_shown": state.times_shown,
        "snoozed_until": _told_at(state.snoozed_until),
        "ended_at": _told_at(state.ended_at),
    }


def _unreported(session: Session, site: Site, found: Found, own: Mapping[int, State]) -> list[dict[str, Any]]:
    """What the server found out and no page's analytics know: messages as the page sends them, to be sent back."""
    waiting = {
        item.event_id: content_id
        for content_id, state in own.items()
        for item in state.items.values()
        if not item.reported
    }
    if not waiting or found.owner is None:
        return []
    kind, owner = found.owner
    rows = session.execute(
        select(Event.message_id, Event.timestamp, Event.properties)
        .where(
            Event.workspace_id == site.workspace_id,
            Event.content_id.in_(set(waiting.values())),
            Event.message_id.in_(waiting),
            Event.user_id == owner if kind == "user" else Event.anonymous_id == owner,
        )
        .order_by(Event.id)
    )
    return [
        {
            "type": "track",
            "event_id": row.message_id,
            "event": row.properties["raw_name"],
            "timestamp": documents.instant(row.timestamp),
            "properties": row.properties,
        }
        for row in rows
    ]


def _told(case: Case) -> Sequence[Verdict]:
    """What the page may hear: whoever has not proved to be the user hears nothing of what the store knows."""
    heard = []
    for verdict in gates.verdicts(case):
        heard.append(verdict)
        if verdict.gate == "identity" and not verdict.passed:
            break
    return heard


def _gate(verdict: Verdict) -> dict[str, Any]:
    return {"gate": verdict.gate, "passed": verdict.passed, "code": verdict.code, "text": verdict.text}


def _is_completed(state: State | None) -> bool:
    return state is not None and state.state == "completed"


def _alias(session: Session, workspace_id: int, kind: str, value: str) -> str | None:
    return session.scalar(
        select(UserAlias.user_id).where(
            UserAlias.workspace_id == workspace_id, UserAlias.kind == kind, UserAlias.value == value
        )
    )


def _instant(at: int | None) -> dt.datetime | None:
    return None if at is None else instant(at)


def _told_at(at: int | None) -> str | None:
    return None if at is None else documents.instant(instant(at))
