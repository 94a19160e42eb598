"""The shapes of saved audiences, and of the question how many users a rule finds."""

from marshmallow import RAISE, Schema, fields, validate

from productfruits.adoption.fields import ID
from productfruits.adoption.targeting import RuleField
from productfruits.services.audiences import NAME_MAX
from productfruits.web.api.schemas import Answer, instant, page_of, text

_KEY = "A key has small letters, digits, - and _, and 64 characters at most."
_RULE = "The users who are in it: no conditions on pages, others from docs/aiming.md."


class AudienceBody(Schema):
    """An audience as it is written."""

    class Meta:
        unknown = RAISE

    key = text(
        "Short name in rules; never changes.", required=True, validate=validate.Regexp(rf"{ID.pattern}\Z", error=_KEY)
    )
    name = text("Name for people.", required=True, validate=validate.Length(1, NAME_MAX))
    rule = RuleField(_RULE, required=True)


class Audience(Answer):
    """A saved audience."""

    key = text("Short name in rules.", required=True)
    name = text("Name for people.", required=True)
    rule = RuleField(_RULE, required=True)
    updated_at = instant("When it was last changed", required=True)


class RuleBody(Schema):
    """A rule that is asked about, saved or not."""

    class Meta:
        unknown = RAISE

    rule = RuleField("The rule; null is everybody.", required=True, allow_none=True)


class UserCount(Answer):
    """How many users a rule finds."""

    users = fields.Integer(
        required=True,
        metadata={"description": "Whoever meets it, conditions on pages left out: on some page they would be met."},
    )


AudiencePage = page_of("audiences", Audience, "Some audiences, by key.")
