"""What a page gets: the contents that may show there, how far the user is in them, and what the server found out.

A public answer. It says nothing of a user but the progress that the page needs, unless the page has proved who it is.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import select

from productfruits.adoption import evaluate, gates, states
from productfruits.adoption.evaluate import Residual
from productfruits.adoption.gates import Case, Progress, Verdict
from productfruits.adoption.reasons import REASONS
from productfruits.adoption.states import State
from productfruits.adoption.subjects import Subject, spellings
from productfruits.models import Event
from productfruits.services import content_states, documents, following_documents, subjects
from productfruits.services.following_documents import moment
from productfruits.services.page_reads import Asked, Found, Reads
from productfruits.services.sites import Shown, Site
from productfruits.services.subjects import Counts

#: Gates that also close what is in the middle.
_ALWAYS = frozenset({"published", "schedule", "identity"})
_STARTED = ("in_progress", "snoozed")
_encode = msgspec.json.Encoder().encode


def tag(site: Site, asked: Asked, found: Found, now: dt.datetime) -> str:
    """The ETag of the answer: as long as it is the same, the answer is."""
    minute = int(now.timestamp()) // 60 if site.depends_on_time else 0
    return f'"{site.stamp.generation}.{site.stamp.to_segment:d}.{asked.verified:d}.{minute}.{found.changed}"'


def answers(reads: Reads, site: Site, questions: Sequence[tuple[Asked, Found]], now: dt.datetime) -> Iterator[bytes]:
    """The answers in JSON, in the order of the questions."""
    workspace_id = site.workspace_id
    rows = reads.states(workspace_id, {found.owner for _, found in questions if found.owner is not None})
    user_ids = list({found.user.id for _, found in questions if found.user is not None})
    groups = reads.groups(workspace_id, user_ids) if user_ids and site.asks_groups else {}
    counts = reads.counts(workspace_id, user_ids, site.asks, now) if user_ids and site.asks else {}
    for asked, found in questions:
        own = {} if found.owner is None else _valid(site, rows[found.owner])
        contents = {site.known[content_id].key: row.state for content_id, row in own.items()}
        if found.user is None:
            subject = Subject(contents=contents, visit_began=now - subjects.GAP)
        else:
            user_id = found.user.id
            subject = _subject(found.user, groups.get(user_id, {}), counts.get(user_id, {}), contents, now)
        yield _answer(reads, site, asked, found, own, subject, now)


def _answer(
    reads: Reads, site: Site, asked: Asked, found: Found, own: Mapping[int, Any], subject: Subject, now: dt.datetime
) -> bytes:
    """`own`: by content the valid rows of states."""
    others = []
    if site.policy.asks_others:
        others = [_progress(site, content_id, content_states.from_row(row)) for content_id, row in own.items()]
    started = {content_id for content_id, row in own.items() if row.state in _STARTED}
    shows, why = [], []
    lefts = evaluate.apply_all(site.targeting, subject, now)
    for shown, left in zip(site.contents, lefts, strict=True):
        content_id = shown.live.id
        if left is False and content_id not in started and not asked.debug:
            continue
        row = own.get(content_id)
        state = states.NOTHING if row is None else content_states.from_row(row)
        progress = None if row is None else _progress(site, content_id, state)
        case = Case(shown.candidate, site.policy, subject, asked.verified, now, progress, others)
        content = _content(reads, site, asked, shown, case, state, left)
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
        "traits": _traits_told(site, found.user) if asked.verified else {},
        "visit": subject.visits,
        "settings": site.told,
        "completed": [site.known[content_id].key for content_id, row in own.items() if row.state == "completed"],
        "unreported": _unreported(reads, site, found, own),
        "contents": shows,
    }
    if asked.debug:
        said |= {
            "why": why,
            "reasons": {code: {"gate": reason.gate, "text": reason.text} for code, reason in REASONS.items()},
        }
    return _encode(said)


def _subject(
    user: Any,
    groups: Mapping[str, Mapping[str, Any]],
    counts: Counts,
    contents: Mapping[str, str],
    now: dt.datetime,
) -> Subject:
    """The user who looks at the page, as far as the live rules ask."""
    last_seen = user.last_seen_at
    return Subject(
        is_known=True,
        username=user.username,
        email=user.email,
        traits=user.traits,
        first_seen=user.first_seen_at,
        last_seen=last_seen,
        visits=user.visits,
        visit_began=now if now - last_seen > subjects.GAP else user.visit_began_at,
        groups=groups,
        event_counts=counts,
        contents=contents,
    )


def _traits_told(site: Site, user: Any) -> dict[str, Any]:
    """Of a proved user the traits that texts mention, under the names by which they mention them."""
    if user is None:
        return {}
    known = {**user.traits, "email": user.email}
    told = {}
    for name in sorted(site.mentioned):
        value = next((known[each] for each in (name, *spellings(name)) if known.get(each) is not None), None)
        if type(value) in (str, int, float, bool):
            told[name] = value
    return told


def _valid(site: Site, rows: Iterable[Any]) -> dict[int, Any]:
    """By content the rows of states that no reset has made void."""
    valid = {}
    for row in rows:
        known = site.known.get(row.content_id)
        if known is not None and (known.reset_at is None or row.state_at >= known.reset_at):
            valid[row.content_id] = row
    return valid


def _progress(site: Site, content_id: int, state: State) -> Progress:
    return content_states.progress(content_id, site.known[content_id].kind, state)


def _content(
    reads: Reads, site: Site, asked: Asked, shown: Shown, case: Case, state: State, left: bool | Residual
) -> msgspec.Raw | None:
    """The content with everything about this user, or None if it has no business in the page.

    `left`: what its targeting leaves for the page to answer.
    """
    is_started = state.state in _STARTED
    if left is False and not is_started:
        return None
    closed = {verdict.gate for check in shown.checks if not (verdict := check(case)).passed}
    if not closed.isdisjoint(_ALWAYS):
        return None
    live, version, document = shown.live, shown.live.version, shown.live.document
    if is_started and live.kind == "tour" and state.version != live.version:
        # Whoever is in the middle of a tour stays on the version that it began with.
        version, document = site.document(reads.session, live, state.version)
    excused = {"manual"} if is_started else set()
    about = {
        # In the middle of it the page does not count any more: it goes on wherever the next step is.
        "rule": left.tree if isinstance(left, Residual) and state.state != "in_progress" else None,
        "state": _NOT_STARTED if state is states.NOTHING else _state(live.kind, document, state),
        "eligible": not closed - excused,
    }
    rendered = site.rendered(live, version, document, asked.language)
    return msgspec.Raw(b"{" + bytes(rendered) + b"," + _encode(about)[1:])


def _state(kind: str, document: Mapping[str, Any], state: State) -> dict[str, Any]:
    is_tour = kind == "tour"
    return {
        "state": state.state,
        "session_id": state.session_id,
        "step_id": states.current_step(state, [step["id"] for step in document["steps"]]) if is_tour else None,
        "items": {} if is_tour else following_documents.items(state),
        "times_shown": state.times_shown,
        "snoozed_until": moment(state.snoozed_until),
        "ended_at": moment(state.ended_at),
    }


_NOT_STARTED = msgspec.Raw(_encode(_state("checklist", {}, states.NOTHING)))


def _unreported(reads: Reads, site: Site, found: Found, own: Mapping[int, Any]) -> list[dict[str, Any]]:
    """What the server found out and no page's analytics know: messages as the page sends them, to be sent back."""
    waiting = {
        item.event_id: content_id
        for content_id, row in own.items()
        for item in states.load_items(row.items).values()
        if not item.reported
    }
    if not waiting or found.owner is None:
        return []
    kind, owner = found.owner
    rows = reads.session.execute(
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
