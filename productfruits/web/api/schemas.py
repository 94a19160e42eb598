"""The public shapes of the API. They check what comes in, and document what goes out."""

from typing import Any

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields, validate, validates

from productfruits.services import pages

KINDS = ("user_id", "anonymous_id")
RULES = ("email", "username", "alias", "created", "anonymous", "none")
CONFLICTS = ("email_and_id", "email_taken", "alias")
SOURCES = ("webhook", "tracking", "function", "source_function", "api", "snippet", "server")
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
