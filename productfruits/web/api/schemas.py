"""The public shapes of the API. They check what comes in, and document what goes out."""

from typing import Any

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields, validate, validates

from productfruits.identity import keys
from productfruits.segment import timestamps
from productfruits.services import pages

KINDS = ("user_id", "anonymous_id")
RULES = ("email", "username", "alias", "created", "anonymous", "none")
CONFLICTS = ("email_and_id", "email_taken", "alias")
SOURCES = ("webhook", "tracking", "function", "api")
WHEN = "ISO 8601, UTC, milliseconds"


def text(description: str, **more: Any) -> fields.String:
    return fields.String(metadata={"description": description}, **more)


def instant(description: str, **more: Any) -> fields.String:
    return fields.String(metadata={"description": f"{description} ({WHEN})", "format": "date-time"}, **more)


def json_object(description: str, **more: Any) -> fields.Dict:
    return fields.Dict(keys=fields.String(), metadata={"description": description}, **more)


class Answer(Schema):
    """Something that goes out; readers ignore keys that they do not know."""

    class Meta:
        unknown = EXCLUDE


class Query(Schema):
    """Parameters of a list."""

    class Meta:
        unknown = RAISE

    limit = fields.Integer(
        load_default=pages.DEFAULT_LIMIT,
        validate=validate.Range(1, pages.MAX_LIMIT),
        metadata={"description": "How many at most."},
    )
    cursor = text("Go on after a page: its `next_cursor`.")


class UsersQuery(Query):
    """Which users; the filters narrow together."""

    email = text("Only the user with this e-mail, in any case.")
    username = text("Only the user with this userId, also a former or aliased one.")
    anonymous_id = text("Only the user to whom this anonymousId was linked.")


class Alias(Answer):
    """Another id that leads to a user."""

    kind = text("What kind of id.", required=True, validate=validate.OneOf(KINDS))
    value = text("The id.", required=True)


class User(Answer):
    """An end user of your product."""

    id = text("Our id: 32 hex digits, in the order of creation.", required=True)
    username = text("Segment's userId.", required=True, allow_none=True)
    email = text(
        "The e-mail as it was sent; unique in the workspace whatever its case.", required=True, allow_none=True
    )
    traits = json_object("The newest value of each trait, under the key it came with.", required=True)
    aliases = fields.List(
        fields.Nested(Alias), required=True, metadata={"description": "Every other id that leads to this user."}
    )
    first_seen_at = instant("Time of the earliest message", required=True)
    last_seen_at = instant("Time of the newest message", required=True)
    created_at = instant("When the user was made here", required=True)


class EventsQuery(Query):
    """Which events, and in which form."""

    format = text(
        "`jitsu2` or `jitsu1`: each event as Jitsu 2.0 or 1.0 has it, with what is known of its user, instead of the "
        "fields below.",
        validate=validate.OneOf(("jitsu2", "jitsu1")),
    )


class UserChange(Schema):
    """What to change. What is left out stays."""

    class Meta:
        unknown = RAISE

    traits = json_object("Traits to set; null clears one, others stay.")
    email = text("The new e-mail; null clears it.", allow_none=True)
    username = text("The new userId; the former one goes on leading to the user.")

    @validates("traits")
    def email_has_its_own_place(self, value: dict[str, Any], data_key: str) -> None:
        if any(name.casefold() == "email" for name in value):
            raise ValidationError("Set the e-mail as `email` beside `traits`.")


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


class Erased(Answer):
    """How many rows went."""

    users = fields.Integer(required=True)
    aliases = fields.Integer(required=True)
    events = fields.Integer(required=True)
    memberships = fields.Integer(required=True)
    conflicts = fields.Integer(required=True)
    dead_letters = fields.Integer(required=True)


class Erasure(Answer):
    """The answer to an erasure."""

    erased = fields.Nested(Erased, required=True)


class Event(Answer):
    """A stored message."""

    message_id = text("Segment's messageId, or one made up where none was sent.", required=True)
    type = text("identify, track, page, screen, group or alias.", required=True)
    event = text("Name of the event, page or screen.", required=True, allow_none=True)
    timestamp = instant("When it happened, by the sender's clock", required=True)
    received_at = instant("When it arrived", required=True)
    properties = json_object("Properties; of identify and group the traits.", required=True)
    source = text("The way it came in.", required=True, validate=validate.OneOf(SOURCES))
    matched_by = text("Which rule found the user.", required=True, validate=validate.OneOf(RULES))


class EventWithUser(Event):
    """A stored message with its user."""

    user_id = text("Our id of the user; null while it is anonymous.", required=True, allow_none=True)


class Group(Answer):
    """A group of users, such as a company."""

    group_id = text("Segment's groupId.", required=True)
    traits = json_object("The newest value of each trait.", required=True)
    members = fields.List(
        fields.String(),
        required=True,
        metadata={"description": 'Usernames; "id:" and our id for a user without one.'},
    )


class Stats(Answer):
    """Numbers of the workspace."""

    users = fields.Integer(required=True, metadata={"description": "Identified users."})
    anonymous = fields.Integer(
        required=True, metadata={"description": "Distinct anonymous ids that have events and no user."}
    )
    events = fields.Integer(required=True, metadata={"description": "Stored messages, deletes not counted."})
    events_by_type = fields.Dict(
        keys=fields.String(), values=fields.Integer(), required=True, metadata={"description": "The same by type."}
    )


class Conflict(Answer):
    """Two users whom one message spoke of; nobody was merged."""

    id = fields.Integer(required=True)
    kind = text("What contradicted what.", required=True, validate=validate.OneOf(CONFLICTS))
    user_ids = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "The user that was updated, and the one left alone; one id after a merge."},
    )
    email = text("The e-mail in question.", required=True, allow_none=True)
    username = text("The id in question.", required=True, allow_none=True)
    message_id = text("The message that said so.", required=True, allow_none=True)
    created_at = instant("When it arose", required=True)
    resolved_at = instant("When an admin merged or dismissed it", required=True, allow_none=True)


class Rejection(Answer):
    """Something that was refused."""

    id = fields.Integer(required=True)
    received_at = instant("When it arrived", required=True)
    source = text("The way it came in.", required=True)
    reason = text("A code such as invalid_signature.", required=True)
    detail = text("The same in words, with what to do.", required=True)


def page_of(name: str, item: type[Schema], description: str) -> type[Schema]:
    """The schema of a page: items under their name, and where the list goes on."""
    return type(
        item.__name__ + "Page",
        (Answer,),
        {
            "__doc__": description,
            name: fields.List(fields.Nested(item), required=True),
            "next_cursor": text("Cursor of the next page; null at the end.", required=True, allow_none=True),
        },
    )


UserPage = page_of("users", User, "Some users, in the order in which they were made.")
EventPage = page_of("events", Event, "Some events of a user, newest first.")
StreamPage = page_of("events", EventWithUser, "Some events, last received first.")
ConflictPage = page_of("conflicts", Conflict, "Some conflicts, newest first.")
RejectionPage = page_of("rejections", Rejection, "Some refusals, newest first.")


class Refusal(Answer):
    """Every refusal has this shape."""

    code = text("For programs; does not change.", required=True)
    message = text("For people: what happened, why, what to do.", required=True)
    errors = json_object("For invalid_request: the reasons by field.")
