"""The shapes of saved audiences, and of the question how many users a rule finds."""

from marshmallow import RAISE, Schema, fields

from productfruits.adoption.targeting import RuleField
from productfruits.web.api.schemas import Answer, instant, page_of, text

_RULE = "The users who are in it: no conditions on pages, others from docs/aiming.md."


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
