"""The shapes in which the API tells how users fare in tours and checklists, and why."""

from marshmallow import RAISE, Schema, fields, validate

from productfruits.adoption.fields import Id
from productfruits.adoption.rule_schemas import URL_MAX
from productfruits.models.content_state import STATES
from productfruits.web.api.schemas import Answer, instant, text


class Range(Schema):
    """From when until when."""

    class Meta:
        unknown = RAISE

    since = fields.AwareDateTime(
        format="iso",
        data_key="from",
        metadata={"description": "Only what happened from then on; ISO 8601 with an offset or Z."},
    )
    until = fields.AwareDateTime(
        format="iso", metadata={"description": "Only what happened before; ISO 8601 with an offset or Z."}
    )


class Count(Answer):
    """How many users and visitors, and how often."""

    users = fields.Integer(required=True, metadata={"description": "Users and visitors, each once."})
    total = fields.Integer(required=True, metadata={"description": "How often it happened."})


def _count(description: str) -> fields.Nested:
    return fields.Nested(Count, required=True, metadata={"description": description})


def _part(description: str) -> fields.Float:
    return fields.Float(required=True, allow_none=True, metadata={"description": f"{description} From 0 to 1."})


class Stats(Answer):
    """The numbers of a content."""

    key = text("Its key.", required=True)
    started = _count("Began it.")
    completed = _count("Reached its end.")
    dismissed = _count("Closed it before.")
    completion_rate = _part("Which part of those who began it reached its end; null where nobody began.")
    states = fields.Dict(
        keys=fields.String(validate=validate.OneOf(STATES)),
        values=fields.Integer(),
        required=True,
        metadata={"description": "In which state how many users and visitors are now."},
    )


class StepStats(Answer):
    """The numbers of a step, over all versions."""

    id = text("Its id.", required=True)
    name = text("Its name; the id where the newest version has no such step.", required=True)
    viewed = _count("Saw it.")
    completed = _count("Went on.")
    target_missing = _count("Had no element to show it at.")
    drop_off = _part("Which part of those who saw it did not go on.")


class ItemStats(Answer):
    """The numbers of an item, over all versions."""

    id = text("Its id.", required=True)
    name = text("Its title; the id where the newest version has no such item.", required=True)
    clicked = _count("Clicked on it.")
    completed = _count("Got it done.")


class TourStats(Stats):
    """The numbers of a tour, and the way through its steps."""

    snoozed = _count("Put it off.")
    steps = fields.List(fields.Nested(StepStats), required=True)


class ChecklistStats(Stats):
    """The numbers of a checklist and of its items."""

    viewed = _count("Saw it.")
    items = fields.List(fields.Nested(ItemStats), required=True)


class ItemState(Answer):
    """An item that is done."""

    at = instant("When", required=True)
    how = text("By click, tour, event, trait or api.", required=True)
    event_id = text("The id of its event.", required=True)
    reported = fields.Boolean(required=True, metadata={"description": "False while no page's analytics know of it."})


class Progress(Answer):
    """How far a user is in a content."""

    key = text("Its key.", required=True)
    kind = text("tour or checklist.", required=True)
    name = text("Its name.", required=True)
    state = text("How far.", required=True, validate=validate.OneOf(STATES))
    version = fields.Integer(required=True, metadata={"description": "The version that it began with."})
    session_id = text("Of the newest attempt.", required=True, allow_none=True)
    step_id = text("The step that was shown last.", required=True, allow_none=True)
    items = fields.Dict(
        keys=fields.String(), values=fields.Nested(ItemState), required=True, metadata={"description": "What is done."}
    )
    times_shown = fields.Integer(required=True, metadata={"description": "How often it began."})
    first_shown_at = instant("When it was first shown", required=True, allow_none=True)
    last_shown_at = instant("When it was last shown", required=True, allow_none=True)
    snoozed_until = instant("Until when it is put off", required=True, allow_none=True)
    ended_at = instant("When it ended last", required=True, allow_none=True)
    end_reason = text("How it ended.", required=True, allow_none=True)


class ProgressList(Answer):
    """All contents in which a user has a state, last shown first."""

    content = fields.List(fields.Nested(Progress), required=True)


class Reset(Schema):
    """What is to begin anew."""

    class Meta:
        unknown = RAISE

    key = Id("Only this tour or checklist; all of them where it is left out.")


class ResetDone(Answer):
    """The answer to a reset."""

    reset = fields.Integer(required=True, metadata={"description": "In how many contents there was a state."})


class ResetOfContent(Answer):
    """The answer to a reset for everybody."""

    key = text("The key of the content.", required=True)
    reset_at = instant("States from before are void", required=True)


class WhyQuery(Schema):
    """On which page."""

    class Meta:
        unknown = RAISE

    url = fields.String(
        validate=validate.Length(1, URL_MAX),
        metadata={"description": "Address of the page; without it the page's own conditions are left out."},
    )
    language = fields.String(validate=validate.Length(1, 35), metadata={"description": "Language of the page."})
    key = Id("Only this tour or checklist.")


class Gate(Answer):
    """What one gate says."""

    gate = text("Which gate.", required=True)
    passed = fields.Boolean(required=True, metadata={"description": "Whether it is open."})
    code = text("The reason, for programs.", required=True, allow_none=True)
    known = text("What the store knows that decides it.", required=True)
    # Last, since it hides the function of this name.
    text = text("The reason in words.", required=True)


class Explanation(Answer):
    """Why a user sees a content, or not."""

    key = text("Its key.", required=True)
    kind = text("tour or checklist.", required=True)
    name = text("Its name.", required=True)
    shows = fields.Boolean(
        required=True, metadata={"description": "Whether it may start by itself, as far as the server knows."}
    )
    gates = fields.List(fields.Nested(Gate), required=True, metadata={"description": "In the order of asking."})


class Explanations(Answer):
    """Every content that is not archived, by kind and key."""

    content = fields.List(fields.Nested(Explanation), required=True)
