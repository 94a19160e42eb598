"""The rule tree as a field of a document; what a rule is, is said in `rules`."""

from typing import Any

from marshmallow import fields


class RuleField(fields.Dict):
    """A rule: a leaf, or `all`, `any` or `not` of rules."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return fields.Dict._deserialize(self, value, attr, data, **kwargs)  # type: ignore[no-untyped-call]
