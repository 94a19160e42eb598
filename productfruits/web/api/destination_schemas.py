"""The public shapes of destinations in the API, around the one that files and pages share."""

from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

from productfruits.outgoing.schemas import DestinationShape
from productfruits.web.api.schemas import Answer, Query, instant, json_object, page_of, text


class Destination(DestinationShape):
    """Somewhere that events are sent to, and how it stands."""

    status = text(
        "on, failing (since the last success), off, or stopped (switched off by this server).",
        required=True,
        validate=validate.OneOf(("on", "failing", "off", "stopped")),
    )
    failing_since = instant("The first failure since the last success", required=True, allow_none=True)
    last_delivered_at = instant("When something last arrived", required=True, allow_none=True)
    created_at = instant("When it was made", required=True)


class NewDestination(Destination):
    """A new destination with its secret."""

    secret = text("Signs what is sent; shown this once.", required=True)


class DestinationList(Answer):
    """All destinations of the workspace."""

    destinations = fields.List(fields.Nested(Destination), required=True)


class DestinationFile(Schema):
    """A file of destinations."""

    class Meta:
        unknown = RAISE

    file = text("YAML or JSON with `destinations:`, each under its key.", required=True)


class AppliedDestination(Answer):
    """What became of one destination of the file."""

    key = text("Its key here.", required=True)
    made = fields.Boolean(required=True, metadata={"description": "It was not there before."})
    secret = text("Of a new one: signs what is sent; shown this once.", required=True, allow_none=True)


class AppliedFile(Answer):
    """What became of the file."""

    destinations = fields.List(fields.Nested(AppliedDestination), required=True)


class DestinationChange(Schema):
    """What to change. What is left out stays."""

    class Meta:
        unknown = RAISE

    name = text("For people.")
    enabled = fields.Boolean(metadata={"description": "Send."})
    url = text("Where to.")
    method = text("POST, PUT or PATCH.")
    headers = json_object("Further headers; null keeps the value there is.")
    write_key = text("Segment's write key.")
    filter = json_object("Which events, as when it was made.")
    body = json_object("What is sent, as when it was made.")


class Done(Answer):
    """It is done."""

    done = fields.Boolean(required=True)


class Rotation(Schema):
    """How to go over to the new secret."""

    class Meta:
        unknown = RAISE

    overlap = fields.Boolean(
        load_default=True, metadata={"description": "Sign with the older secrets as well for a day."}
    )


class NewSecret(Answer):
    """A new secret, shown this once."""

    secret = text("Signs what is sent from now on.", required=True)
    fingerprint = text("Tells which secret it is without helping to guess it.", required=True)
    old_until = instant("Until when the older ones sign as well", required=True, allow_none=True)


class AttemptsQuery(Query):
    """Which attempts."""

    failed_only = fields.Boolean(load_default=False, metadata={"description": "Leave out what was delivered."})


class Attempt(Answer):
    """One try to send something."""

    id = fields.Integer(required=True)
    delivery_id = fields.Integer(required=True, metadata={"description": "To send it again."})
    kind = text("event.stored, user.created and the like, or test.", required=True)
    type = text("Type of the event.", required=True, allow_none=True)
    event = text("Name of the event.", required=True, allow_none=True)
    at = instant("When", required=True)
    took_ms = fields.Integer(required=True)
    outcome = text(
        "delivered, failed, gone, unreachable, timed_out, not_sendable, loop, nothing_left or left_out.", required=True
    )
    status = fields.Integer(required=True, allow_none=True, metadata={"description": "The HTTP status answered."})
    detail = text("The outcome in words.", required=True, allow_none=True)
    answer = text(
        "The first KiB of the answer, without what it repeats of our secrets.", required=True, allow_none=True
    )
    delivery = text("What has become of the delivery: pending, delivered, failed or dropped.", required=True)
    next_attempt_at = instant("When it is tried again", required=True, allow_none=True)


class Sending(Schema):
    """What to send."""

    class Meta:
        unknown = RAISE

    what = text(
        "test, delivery, failed or range.",
        required=True,
        validate=validate.OneOf(("test", "delivery", "failed", "range")),
    )
    delivery = fields.Integer(metadata={"description": "For delivery: its number."})
    start = fields.AwareDateTime(
        format="iso", metadata={"description": "For failed and range: from when on (ISO 8601 with Z or an offset)."}
    )
    end = fields.AwareDateTime(format="iso", metadata={"description": "For range: until before when; now if left out."})

    @validates_schema
    def what_it_needs(self, data: dict[str, Any], **_: Any) -> None:
        needed = {"delivery": "delivery", "range": "start"}.get(data["what"])
        if needed is not None and needed not in data:
            raise ValidationError({needed: [f"Needed to send {data['what']}."]})


class Sent(Answer):
    """How much is on its way."""

    deliveries = fields.Integer(required=True)


AttemptPage = page_of("attempts", Attempt, "Some attempts, newest first.")
