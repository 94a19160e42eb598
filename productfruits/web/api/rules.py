"""The rule tree in the OpenAPI document: one component for all, with one more for each kind of condition."""

from typing import Any

from apispec import APISpec

from productfruits.adoption import rule_schemas
from productfruits.adoption.targeting import RuleField

NAME = "Rule"
_REFERENCE = f"#/components/schemas/{NAME}"


def register(spec: APISpec) -> None:
    """Describe the rule and its conditions in the document."""
    of_rules = {"type": "array", "minItems": 1, "items": {"$ref": _REFERENCE}}
    for schema in rule_schemas.LEAVES.values():
        spec.components.schema(schema.__name__, schema=schema)
    spec.components.schema(
        NAME,
        {
            "description": "Who sees something: a condition, or conditions joined.",
            "oneOf": [
                *({"$ref": f"#/components/schemas/{schema.__name__}"} for schema in rule_schemas.LEAVES.values()),
                _joined("all", of_rules),
                _joined("any", of_rules),
                _joined("not", {"$ref": _REFERENCE}),
            ],
        },
    )


def referred_to(described: dict[str, Any]) -> dict[str, Any]:
    """The document with a reference to the rule wherever one stands, and with the kind of each condition."""
    for kind, schema in rule_schemas.LEAVES.items():
        described["components"]["schemas"][schema.__name__]["properties"]["kind"]["enum"] = [kind]
    replaced: dict[str, Any] = _replaced(described)
    return replaced


def _joined(word: str, what: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {word: what}, "required": [word], "additionalProperties": False}


def _replaced(node: Any) -> Any:
    if isinstance(node, list):
        return [_replaced(inner) for inner in node]
    if not isinstance(node, dict):
        return node
    if RuleField.MARK not in node:
        return {name: _replaced(inner) for name, inner in node.items()}
    kept = {name: node[name] for name in ("description", "default") if name in node}
    if "null" in node["type"]:
        return {**kept, "anyOf": [{"$ref": _REFERENCE}, {"type": "null"}]}
    return {**kept, "$ref": _REFERENCE}
