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
ACTIONS: Final[Mapping[str, str]] = {
    "admin.created": "Created an admin",
    "admin.first_created": "Set up this server",
    "admin.invited": "Invited an admin",
    "admin.link_created": "Made a new login link",
    "admin.logged_in": "Logged in",
    "admin.password_changed": "Changed the password",
    "admin.removed": "Removed an admin",
    "admin.role_changed": "Changed a role",
    "api_key.created": "Created an API key",
    "api_key.revoked": "Revoked an API key",
    "audience.changed": "Changed an audience",
    "audience.created": "Made an audience",
    "audience.deleted": "Deleted an audience",
    "conflict.dismissed": "Dismissed a conflict",
    "conflict.merged": "Merged two users",
    "connection.activated": "Activated Segment",
    "connection.batches_off": "Switched batches off",
    "connection.batches_on": "Switched batches on",
    "connection.deactivated": "Deactivated Segment",
    "connection.events_off": "Switched events to Segment off",
    "connection.events_on": "Switched events to Segment on",
    "connection.reactivated": "Activated Segment again",
    "connection.tested": "Sent a test event",
    "connection.token_renewed": "Made a new auth token",
    "content.archived": "Archived a tour or checklist",
    "content.changed": "Changed a draft",
    "content.created": "Made a tour or checklist",
    "content.deleted": "Deleted a tour or checklist",
    "content.published": "Published a tour or checklist",
    "content.preview_link_made": "Made a link to a preview",
    "content.reset": "Had everybody begin anew in a tour or checklist",
    "content.reset_for_user": "Had a user begin anew",
    "content.reverted": "Went back to a version",
    "content.unarchived": "Took a draft out of the archive",
    "content.unpublished": "Unpublished a tour or checklist",
    "content.starters_added": "Added the samples",
    "destination.changed": "Changed a destination",
    "destination.created": "Made a destination",
    "destination.deleted": "Deleted a destination",
    "destination.secret_rotated": "Rotated the secret of a destination",
    "destination.sent_again": "Sent again to a destination",
    "destination.switched_off": "Switched a destination off",
    "destination.switched_on": "Switched a destination on",
    "destination.tested": "Sent a test event to a destination",
    "event_names.changed": "Changed the names of adoption events",
    "export.made": "Exported a user",
    "identity_secret.revoked": "Revoked a secret of the identity hash",
    "identity_secret.rotated": "Made a secret of the identity hash",
    "function.connected": "Connected an instance of a function",
    "function.created": "Made a function",
    "function.deleted": "Deleted a function",
    "function.deployed": "Deployed a function",
    "function.disconnected": "Removed an instance of a function",
    "function.instance_changed": "Changed an instance of a function",
    "function.instance_off": "Switched an instance of a function off",
    "function.instance_on": "Switched an instance of a function on",
    "function.saved": "Saved a function",
    "objects.exported": "Exported objects",
    "secret.reencrypted": "Encrypted the secrets with another key",
    "secret.revoked": "Revoked a secret",
    "secret.rotated": "Rotated the secret",
    "snippet.pace_changed": "Changed how much content may start",
    "snippet.visitors_changed": "Changed how users are verified",
    "theme.changed": "Changed a theme",
    "theme.created": "Made a theme",
    "theme.deleted": "Deleted a theme",
    "user.alias_unlinked": "Unlinked an id",
    "user.changed": "Changed a user",
    "user.erased": "Erased a user",
    "workspace.created": "Created the workspace",
    "workspace.renamed": "Renamed the workspace",
    "workspace.suppression_off": "Let erased users come back",
    "workspace.suppression_on": "Keep erased users out",
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
