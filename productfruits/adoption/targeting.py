"""The rule tree as a field of a document; what a rule can say is in `rules`."""

from typing import Any

from marshmallow import ValidationError, fields

from productfruits.adoption import rules


class RuleField(fields.Dict):
    """A rule: a condition, or `all`, `any` or `not` of rules. It is kept as it was written."""

    #: By this word whoever describes schemas knows that a rule stands here.
    MARK = "x-rule"

    def __init__(self, description: str, **more: Any) -> None:
        super().__init__(metadata={"description": description, self.MARK: True}, **more)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        try:
            rules.parse(value)
        except rules.InvalidRule as err:
            raise ValidationError(_tree(err.problems)) from err
        return value


def _tree(problems: list[tuple[rules.Path, str]]) -> Any:
    """The problems as marshmallow nests them, so that each has its place in the document."""
    tree: dict[str | int, Any] = {}
    for path, reason in problems:
        node = tree
        for part in path:
            node = node.setdefault(part, {})
        node.setdefault("_schema", []).append(reason)
    return tree
