"""Requests whose sender is proven, and their messages with all about them that can be known without the store."""

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from productfruits.database import encode_json
from productfruits.identity.directory import Sighting
from productfruits.outgoing import chains, filters
from productfruits.segment.messages import Message, Parsed, Refusal
from productfruits.services import adoption_events, seen_messages, sightings
from productfruits.services.adoption_events import Told
from productfruits.services.rejections import Refused
from productfruits.services.times import microseconds

#: Refused elements of one request that are logged one by one; the rest only counts.
LOGGED_REFUSALS = 20
NOTHING = Parsed(messages=(), refused=(), ignored=0)


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """One request whose sender is proven, with what could be read of it."""

    workspace_id: int
    connection_id: int | None
    #: The secret that verified it, for "last used"; None where there was none.
    secret_id: int | None
    #: The way in: "webhook" (replays and test events come through it as well), "tracking", "function" or "api".
    source: str
    #: "server" or "public" (rule 10).
    trust: Literal["server", "public"]
    received_at: dt.datetime
    parsed: Parsed = NOTHING
    #: How many destinations of servers like this one the messages have come through (outgoing.chains).
    depth: int = 0
    #: A request that was refused as a whole after its connection was known: logged and counted, nothing else.
    refusal: Refused | None = None


@dataclass(slots=True)
class Receipt:
    """How many messages of one arrival were stored, seen before, knowingly ignored, and refused."""

    accepted: int = 0
    duplicates: int = 0
    ignored: int = 0
    rejected: int = 0


class PreparedMessage(msgspec.Struct, frozen=True, gc=False):
    """A message as the store takes it."""

    sighting: Sighting
    #: Under each of these it counts once.
    digests: tuple[str, ...]
    #: What it tells about a tour or a checklist, if it is an adoption event.
    told: Told | None
    name: str | None
    timestamp: dt.datetime
    signed: bool
    #: A report about a tour or a checklist, told well enough to be taken for one or not.
    is_adoption: bool
    depth: int
    #: Of a group call: what it says about the group.
    group_traits: Mapping[str, Any]
    #: JSON: the properties of track, page and screen, the traits of identify and group.
    properties: str
    #: JSON.
    context: str


class PreparedArrival(msgspec.Struct, frozen=True, gc=False):
    """An arrival as the store takes it."""

    workspace_id: int
    connection_id: int | None
    secret_id: int | None
    source: str
    received_at: dt.datetime
    messages: tuple[PreparedMessage, ...]
    #: The first of the elements that were refused, of how many.
    refused: tuple[Refusal, ...]
    refused_count: int
    ignored: int
    refusal: Refused | None


def prepare(arrival: Arrival) -> PreparedArrival:
    """Do everything with an arrival that needs no store, in the thread of whoever received it."""
    parsed = arrival.parsed
    received = microseconds(arrival.received_at)
    return PreparedArrival(
        workspace_id=arrival.workspace_id,
        connection_id=arrival.connection_id,
        secret_id=arrival.secret_id,
        source=arrival.source,
        received_at=arrival.received_at,
        messages=tuple([_message(arrival, message, received) for message in parsed.messages]),
        refused=parsed.refused[:LOGGED_REFUSALS],
        refused_count=len(parsed.refused),
        ignored=parsed.ignored,
        refusal=arrival.refusal,
    )


def _message(arrival: Arrival, message: Message, received: int) -> PreparedMessage:
    told = adoption_events.told(message, arrival.received_at)
    digests = [seen_messages.digest(message.message_id)] if message.message_id else []
    if told is not None:
        # An adoption event comes from the page and, under another messageId, through Segment.
        digests.append(told.digest)
    message_id = message.message_id or f"made-up-{uuid.uuid4().hex}"
    context = chains.with_depth(message.context, arrival.depth)
    return PreparedMessage(
        sighting=sightings.of_message(message, message_id, received, arrival.trust),
        digests=tuple(digests),
        told=told,
        name=message.name,
        timestamp=message.timestamp or arrival.received_at,
        signed=message.signed,
        is_adoption=filters.is_adoption(message.type, message.properties),
        depth=chains.depth(context),
        group_traits=message.traits if message.type == "group" else sightings.NO_TRAITS,
        properties=encode_json(message.traits if message.type in ("identify", "group") else message.properties),
        context=encode_json(context),
    )
