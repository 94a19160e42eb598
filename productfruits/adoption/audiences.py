"""The document of an audience: a rule with a name."""

from productfruits.adoption.fields import Id, Line, Part
from productfruits.adoption.targeting import RuleField

NAME_MAX = 100


class AudienceDocument(Part):
    """An audience."""

    key = Id("Short name in rules and files; never changes.", required=True)
    name = Line("For the people who choose it.", NAME_MAX, required=True)
    rule = RuleField("Who belongs to it; no condition on the page.", required=True)
