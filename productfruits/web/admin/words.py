"""What the pages say: times, numbers, codes of the store in plain words. Registered as Jinja filters."""

import datetime as dt
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from flask import Flask
from markupsafe import Markup

from productfruits.adoption import documents
from productfruits.models import Event, User
from productfruits.services import users
from productfruits.web.admin import gate
from productfruits.web.admin.actions import ACTIONS
from productfruits.web.assets import DIST


@dataclass(frozen=True, slots=True)
class Match:
    """A rule of matching, for a narrow column, at the head of a line, and as a sentence."""

    short: str
    lead: str
    why: str


#: Event.matched_by -> why the event is where it is. The rule is in docs/matching-rule.md.
MATCHED_BY: Final[Mapping[str, Match]] = {
    "email": Match(
        "by e-mail",
        "Matched by e-mail",
        "The message carried this user's e-mail address, which decides before any id.",
    ),
    "username": Match("by user id", "Matched by user id", "The message's userId is this user's username."),
    "alias": Match(
        "by linked id",
        "Matched by a linked id",
        "The message came with another id that leads to this user; see the ids on this page.",
    ),
    "created": Match(
        "new user", "New user", "Neither an e-mail nor an id of the message was known, so this user was created."
    ),
    "anonymous": Match(
        "by anonymous id",
        "Matched by anonymous id",
        "The message was kept under its anonymousId and came here when an identify or alias linked that id.",
    ),
    "none": Match("no user", "No user", "The message carried nothing that leads to a user."),
}
#: UserAlias.how -> why this id leads here.
HOW: Final[Mapping[str, str]] = {
    "email": "came with this user's e-mail address",
    "alias": "named by an alias call",
    "merge": "belonged to a user that was merged into this one",
    "identify": "came together with a known id in an identify",
}
KINDS: Final[Mapping[str, str]] = {"user_id": "userId", "anonymous_id": "anonymousId"}
#: Event.source and Rejection.source -> the way in.
SOURCES: Final[Mapping[str, str]] = {
    "webhook": "Segment webhook",
    "tracking": "Tracking API",
    "function": "Segment function",
    "source_function": "Source function",
    "api": "HTTP API",
    "snippet": "Snippet",
    "server": "This server",
}
#: Event.type -> icon.
ICONS: Final[Mapping[str, str]] = {
    "identify": "user-check",
    "track": "mouse-pointer-click",
    "page": "file-text",
    "screen": "smartphone",
    "group": "users-round",
    "alias": "link",
    "delete": "trash-2",
}
#: Rejection.reason -> headline. The detail in the store is the sentence below it.
REASONS: Final[Mapping[str, str]] = {
    "invalid_signature": "Signature does not match",
    "missing_signature": "Not signed",
    "deactivated": "Connection deactivated",
    "batch_not_enabled": "Batches are switched off",
    "batch_too_large": "Too many events in one array",
    "body_too_large": "Request too large",
    "body_too_slow": "Request too slow",
    "body_incomplete": "Request ended early",
    "content_encoding": "Compressed request",
    "invalid_gzip": "Not valid gzip",
    "invalid_json": "Not valid JSON",
    "no_batch": "No batch in it",
    "not_one_event": "Several events where one is taken",
    "not_object_or_array": "Not an event",
    "not_an_object": "Element is no event",
    "no_type": "Event without a type",
    "duplicate_key": "A key given twice",
    "delete_not_first": "Delete inside an array",
    "delete_not_allowed": "Delete not allowed",
    "id_too_long": "Id too long",
    "name_too_long": "Name too long",
    "name_not_text": "Name is not text",
    "too_deep": "Nested too deeply",
    "too_many_keys": "Too many keys",
    "not_trusted": "Not from a trusted sender",
    "number_out_of_range": "Number out of range",
    "too_many_requests": "Too many requests",
}
#: DeliveryAttempt.outcome, in a word or two; its detail is the sentence.
OUTCOMES: Final[Mapping[str, str]] = {
    "delivered": "Delivered",
    "failed": "Refused",
    "gone": "Gone",
    "unreachable": "No connection",
    "timed_out": "No answer in time",
    "not_sendable": "Not sendable",
    "loop": "Circle cut",
    "nothing_left": "Nothing left to send",
    "left_out": "Left out",
}
#: What else than events is sent: Delivery.kind.
SENT: Final[Mapping[str, str]] = {
    "test": "Test event",
    "user.created": "User created",
    "user.updated": "User changed",
    "user.deleted": "User erased",
    "user.conflict": "Conflict between users",
}
DESTINATIONS: Final[Mapping[str, str]] = {
    "generic": "Any server",
    "slack": "Slack",
    "teams": "Microsoft Teams",
    "discord": "Discord",
    "segment": "Segment",
    "jitsu": "Jitsu WebHook",
}

_STEPS = ((60, "second"), (60, "minute"), (24, "hour"), (7, "day"), (4.35, "week"), (12, "month"))


def register(app: Flask) -> None:
    """Give templates the words and the icons."""
    env = app.jinja_env
    env.trim_blocks = env.lstrip_blocks = True
    env.filters.update(
        ago=lambda moment: ago(moment, gate.now()),
        when=when,
        exact=exact,
        iso=lambda moment: moment.astimezone(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        json=pretty,
        short_json=short,
        number=lambda count: f"{count:,}",
        user_name=user_name,
        headline=headline,
        place=documents.spelled,
    )
    env.globals.update(
        icon=_icon_macro(),
        matched_by=MATCHED_BY,
        how=HOW,
        alias_kinds=KINDS,
        event_icons=ICONS,
        reasons=REASONS,
        sources=SOURCES,
        actions=ACTIONS,
        outcomes=OUTCOMES,
        sent_kinds=SENT,
        destination_kinds=DESTINATIONS,
    )


def ago(moment: dt.datetime, now: dt.datetime) -> str:
    """ "3 minutes ago", "in 2 days", "just now"; ages.ts says the same words, so that nothing jumps."""
    seconds = (now - moment).total_seconds()
    size, unit = abs(seconds), "year"
    if size < 10:
        return "just now"
    for step, name in _STEPS:
        if size < step:
            unit = name
            break
        size /= step
    count = max(1, int(size))
    words = f"{count} {unit}" + ("s" if count > 1 else "")
    return f"{words} ago" if seconds > 0 else f"in {words}"


def exact(moment: dt.datetime) -> str:
    """ "22 Nov 2026, 14:03:09 UTC"."""
    at = moment.astimezone(dt.UTC)
    return f"{at.day} {at:%b %Y, %H:%M:%S} UTC"


def when(moment: dt.datetime) -> Markup:
    """A <time> with the age as its text and the exact moment for machines and on hover."""
    stamp = moment.astimezone(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Markup('<time datetime="{}" title="{}" data-age>{}</time>').format(
        stamp, exact(moment), ago(moment, gate.now())
    )


def pretty(value: Any) -> str:
    """JSON for people: indented, keys in the order in which they came, letters as they are."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def short(value: Any, limit: int = 160) -> str:
    """One trait's value in a line: text as it is, anything else as JSON, cut where it gets long."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def user_name(user: User) -> str:
    """What to call a user: name, else e-mail, else username, else the beginning of our id."""
    return users.display_name(user.traits) or user.email or user.username or f"User {user.id[:8]}"


def headline(event: Event) -> str:
    """What happened, in the sender's words where there are some."""
    if event.name:
        return event.name
    return {
        "identify": "Identified",
        "group": f"Joined group {event.group_id}" if event.group_id else "Group",
        "alias": f"Alias of {event.previous_id}" if event.previous_id else "Alias",
        "page": "Viewed a page",
        "screen": "Viewed a screen",
        "delete": "Asked for deletion",
    }.get(event.type, event.type.capitalize())


def _icon_macro() -> Callable[..., Markup]:
    inside: dict[str, str] = json.loads((DIST / "icons.json").read_text(encoding="utf-8"))

    def icon(name: str, classes: str = "") -> Markup:
        """An icon beside a text that says the same, hence hidden from screen readers."""
        # The markup is our own built file, made from Lucide's; no value of a user gets here.
        return Markup(
            '<svg class="icon {}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.75"'
            ' stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">{}</svg>'
        ).format(classes, Markup(inside[name]))

    return icon
