"""From a message of Segment's to what the matching rule sees of it: the one place where the two rooms meet."""

from collections.abc import Mapping
from typing import Any, Literal

from productfruits.identity import keys
from productfruits.identity.directory import Sighting
from productfruits.segment.messages import Message
from productfruits.services.times import microseconds

NO_TRAITS: Mapping[str, Any] = {}


def of_message(message: Message, message_id: str, received: int, trust: Literal["server", "public"]) -> Sighting:
    """What a message says about who it is from. `received`: microseconds since the epoch."""
    email = keys.find_email(message.type, message.traits, message.context)
    traits = keys.without_email(message.traits, email) if message.type == "identify" else NO_TRAITS
    sent = received if message.timestamp is None else microseconds(message.timestamp)
    return Sighting(
        kind=message.type,
        message_id=message_id,
        user_id=keys.identifier(message.user_id),
        anonymous_id=keys.identifier(message.anonymous_id),
        previous_id=keys.identifier(message.previous_id),
        group_id=keys.identifier(message.group_id),
        email=email,
        traits=traits,
        at=min(sent, received),  # a clock that runs ahead must not win over everything said later
        received=received,
        trust=trust,
    )
