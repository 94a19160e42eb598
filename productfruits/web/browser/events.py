"""What a page reports: adoption events, events of the customer's own, traits, groups, fresh starts.

No Flask in here.
"""

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

from productfruits.adoption import vocabulary
from productfruits.identity import keys
from productfruits.segment import timestamps
from productfruits.segment.messages import Message, Parsed, Refusal
from productfruits.services.adoption_events import RESET
from productfruits.services.arrivals import Arrival, Receipt
from productfruits.services.sites import Site
from productfruits.web.browser import answers
from productfruits.web.browser.bodies import json_object
from productfruits.web.browser.door import BrowserDoor, Speaker, claim, refuses
from productfruits.web.ingest.answers import Answer, too_many_requests
from productfruits.workers.ingest_lock import AlreadyServed
from productfruits.workers.not_stored import NotStored, StoreBusy, StoreUnavailable
from productfruits.workers.rates import TooManyRequests
from productfruits.workers.waiting import Outcome

log = structlog.get_logger()

PATH = "/browser/v1/events"
BODY_BYTES = 512 * 1024
MESSAGES = 500
SOURCE = "snippet"
#: Also with a right hash: it proves who the user is, and not that this user may speak of others (rule 10).
TRUST: Final = "public"
_ID_BYTES = 512
WORDS = {
    "not_an_object": "A message must be a JSON object with a type.",
    "unknown_type": "A page reports messages of type track, identify, group or reset.",
    "no_event_id": "A track needs an event_id, a text of 1 to 200 characters: by it the event counts once.",
    "no_message_id": "A reset needs a message_id, a text of 1 to 200 characters: by it the checklist begins anew once.",
    "no_group": "A group needs a groupId, and a username in the request: a visitor is in no group.",
    "no_event": "A track needs the name of the event, a text of 1 to 128 characters.",
}
_EVENT_CHARACTERS = 128
_EVENT_ID_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class _Refused(Exception):
    code: str


def take(door: BrowserDoor, body: bytes) -> Answer:
    """Take one report in and answer it; blocks until it is stored."""
    arrival = examine(door, body)
    if isinstance(arrival, Answer):
        return arrival
    try:
        return reply(door, arrival, door.runtime.writer.receive(arrival, body=body))
    except NotStored as err:
        return reply(door, arrival, err)


def examine(door: BrowserDoor, body: bytes) -> Arrival | Answer:
    """Who reports, and what? May ask the store."""
    said = json_object(body)
    if isinstance(said, Answer):
        return said
    now = dt.datetime.now(dt.UTC)
    key = said.get("workspace")
    try:
        door.runtime.start()
        site = door.sites.find(key if isinstance(key, str) else "")
        if site is None:
            return answers.UNKNOWN_WORKSPACE
        door.admission.let_in(site.workspace_id, TRUST, SOURCE)
    except AlreadyServed as err:
        log.error("not_serving", message=str(err))
        return answers.UNAVAILABLE
    except TooManyRequests as err:
        return answers.opened(too_many_requests(err))
    except StoreBusy:
        return answers.BUSY
    except StoreUnavailable:
        return answers.UNAVAILABLE
    speaker = door.speaker(site, claim(said), now)
    if refuses(site, speaker):
        return answers.NOT_VERIFIED
    messages = said.get("messages")
    if not isinstance(messages, list):
        return answers.invalid("no_messages", "`messages` must be a list of messages. See docs/browser-api.md.")
    if len(messages) > MESSAGES:
        return answers.TOO_LARGE
    return Arrival(
        workspace_id=site.workspace_id,
        connection_id=None,
        secret_id=None,
        source=SOURCE,
        trust=TRUST,
        received_at=now,
        parsed=_parse(site, speaker, messages, said.get("sent_at"), now),
    )


def reply(door: BrowserDoor, arrival: Arrival, outcome: Outcome) -> Answer:
    """The answer to what the writer said."""
    if isinstance(outcome, Receipt):
        if arrival.parsed.messages:
            door.notes.reported(arrival.workspace_id, arrival.received_at)
        return answers.taken(outcome)
    return answers.BUSY if isinstance(outcome, StoreBusy) else answers.UNAVAILABLE


def _parse(site: Site, speaker: Speaker, said: list[Any], sent_at: Any, now: dt.datetime) -> Parsed:
    if speaker.username is None and not site.settings.allows_anonymous:
        return Parsed((), (), len(said))
    sent = timestamps.parse(sent_at)
    # The page's clock may be wrong, but it was as wrong when it wrote the times as when it sent them.
    ahead = dt.timedelta() if sent is None else sent - now
    messages: list[Message] = []
    refused: list[Refusal] = []
    ignored = 0
    for index, each in enumerate(said):
        try:
            message = _message(speaker, each, ahead, now)
        except _Refused as reason:
            refused.append(Refusal(index, reason.code, WORDS[reason.code]))
            continue
        if message is None:
            ignored += 1
        else:
            messages.append(message)
    return Parsed(tuple(messages), tuple(refused), ignored)


def _message(speaker: Speaker, said: Any, ahead: dt.timedelta, now: dt.datetime) -> Message | None:
    """The message, or None for what happened in a preview and counts nowhere."""
    if not isinstance(said, dict):
        raise _Refused("not_an_object")
    at = _time(said.get("timestamp"), ahead, now)
    match said.get("type"):
        case "track":
            name, event_id = said.get("event"), _id(said.get("event_id"))
            if event_id is None:
                raise _Refused("no_event_id")
            if type(name) is not str or not 0 < len(name.strip()) <= _EVENT_CHARACTERS:
                raise _Refused("no_event")
            properties = _object(said.get("properties"))
            known = vocabulary.EVENTS.get(name)
            if known is not None:
                if properties.get("is_preview") is True:
                    return None
                own = {"raw_name": name, "event_id": event_id, "source": vocabulary.SOURCE}
                return _track(speaker, known.name, event_id, {**properties, **own}, at)
            return _track(speaker, name.strip(), event_id, properties, at)
        case "identify":
            message_id = _id(said.get("message_id")) or str(uuid.uuid4())
            return _of(speaker, "identify", message_id, None, _object(said.get("traits")), {}, at)
        case "group":
            group = _object(said.get("group"))
            group_id = keys.identifier(group.get("groupId"))
            # What it says is true of everybody in the group, so a visitor, whom nobody can verify, may not say it.
            if speaker.username is None or group_id is None:
                raise _Refused("no_group")
            message_id = _id(said.get("message_id")) or str(uuid.uuid4())
            named = {name: value for name, value in group.items() if name not in ("groupId", "props")}
            traits = {**_object(group.get("props")), **named}
            return _of(speaker, "group", message_id, None, traits, {}, at, group_id)
        case "reset":
            reset_id = _id(said.get("message_id"))
            if reset_id is None:
                raise _Refused("no_message_id")
            return _of(speaker, RESET, reset_id, None, {}, {"checklist": said.get("checklist")}, at)
        case _:
            raise _Refused("unknown_type")


def _id(said: Any) -> str | None:
    text = said.strip() if type(said) is str else ""
    return text if 0 < len(text) <= _EVENT_ID_CHARACTERS else None


def _track(speaker: Speaker, name: str, event_id: str, properties: Mapping[str, Any], at: dt.datetime) -> Message:
    return _of(speaker, "track", event_id, name, {}, dict(properties), at)


def _of(
    speaker: Speaker,
    kind: str,
    message_id: str,
    name: str | None,
    traits: dict[str, Any],
    properties: dict[str, Any],
    at: dt.datetime,
    group_id: str | None = None,
) -> Message:
    return Message(
        type=kind,
        message_id=message_id,
        user_id=speaker.username,
        anonymous_id=speaker.anonymous_id,
        previous_id=None,
        group_id=group_id,
        name=name,
        category=None,
        traits=traits,
        properties=properties,
        context={},
        timestamp=at,
        signed=speaker.is_verified,
    )


def _time(said: Any, ahead: dt.timedelta, now: dt.datetime) -> dt.datetime:
    at = timestamps.parse(said)
    if at is None:
        return now
    try:
        return min(at - ahead, now)
    except OverflowError:
        return now


def _object(value: Any) -> dict[str, Any]:
    return value if type(value) is dict else {}
