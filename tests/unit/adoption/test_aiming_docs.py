"""docs/aiming.md: its examples are rules, and no operator is left out."""

import json
import re
from pathlib import Path

from productfruits.adoption import rule_schemas, rules

PAGE = (Path(__file__).parents[3] / "docs" / "aiming.md").read_text("utf-8")


def test_every_example_is_a_rule_and_every_kind_has_one() -> None:
    examples = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
    parsed = [rules.parse(example) for example in examples]
    shown = {type(leaf).__name__ for rule in parsed for leaf in rule.leaves()}
    assert len(shown) == len(rule_schemas.LEAVES)


def test_every_operator_and_every_state_is_explained() -> None:
    for word in (*rule_schemas.OPS, *rule_schemas.COMPUTED, *rule_schemas.STATES):
        assert f"`{word}`" in PAGE
