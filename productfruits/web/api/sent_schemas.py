"""The shapes of what a customer's server sends to the API: users and events, as Product Fruits' REST API has them."""

from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates

from productfruits.identity import keys
from productfruits.segment import timestamps
from productfruits.web.api.schemas import Answer, instant, json_object, text


def a_username(value: str) -> None:
    """Refuse what would lead to nobody."""
    if keys.identifier(value) is None:
        raise ValidationError("Empty, longer than 512 bytes, or a placeholder like null or undefined: no id of a user.")


def an_email(value: str | None) -> None:
    if value is not None and keys.email_key(value) is None:
        raise ValidationError("Not an e-mail.")


def an_instant(value: str) -> None:
    if timestamps.parse(value) is None:
        raise ValidationError("Not a point in time. Send ISO 8601, like 2026-01-31T12:00:00Z.")


MESSAGE_ID = text(
    "Your id of this call: sent again with the same one, it counts once.", validate=validate.Length(1, 100)
)


class SentGroup(Schema):
    """A group of users, such as a company."""

    class Meta:
        unknown = RAISE

    groupId = text("The group's id in your own database.", required=True, validate=a_username)
    props = json_object("What is known about the group.")


class SentUser(Schema):
    """A user as the snippet describes one."""

    class Meta:
        unknown = RAISE

    username = text("The user's id in your own database.", required=True, validate=a_username)
    email = text("The e-mail; null clears it.", allow_none=True, validate=an_email)
    firstname = text("First name.", allow_none=True)
    lastname = text("Last name.", allow_none=True)
    signUpAt = instant("When the user signed up", allow_none=True)
    role = text("What the user is in your product.", allow_none=True)
    props = json_object("Everything else that is known; each key is a trait, null clears one.")
    group = fields.Nested(SentGroup, metadata={"description": "The group that the user belongs to."})
    hmac = json_object("Taken and not looked at: the API key proves more than the hash.")


class Identification(Schema):
    """Who a user is."""

    class Meta:
        unknown = RAISE

    user = fields.Nested(SentUser, required=True)
    message_id = MESSAGE_ID


class Tracking(Schema):
    """What a user did."""

    class Meta:
        unknown = RAISE

    event = text("What the user did.", required=True, validate=validate.Length(1, 512))
    properties = json_object("Details. `username` among them says who did it.", required=True)
    timestamp = instant("When it happened; now where it is left out", validate=an_instant)
    message_id = MESSAGE_ID

    @validates("properties")
    def somebody_did_it(self, value: dict[str, Any], data_key: str) -> None:
        username = value.get("username")
        if not isinstance(username, str):
            raise ValidationError("Say who did it: `username` in the properties, as text.")
        a_username(username)


class Receipt(Answer):
    """What became of the messages, after the commit."""

    success = fields.Boolean(required=True)
    accepted = fields.Integer(required=True, metadata={"description": "Stored."})
    duplicates = fields.Integer(required=True, metadata={"description": "Seen before by their `message_id`."})
    ignored = fields.Integer(required=True, metadata={"description": "About a user who is kept out after an erasure."})
    rejected = fields.Integer(required=True)
