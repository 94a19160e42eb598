"""Values that are written as JavaScript over the event, as Jitsu's destinations have them: `_` and `$` are the event.

A text is one of four things: a function body (it says `return`), a function, a template with `${…}`, or, where it
begins with `$` or `_`, an expression. Everything else is a constant and needs no sandbox.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from productfruits.errors import ProductFruitsError
from productfruits.functions.fetching import no_network
from productfruits.functions.runs import Code, Evaluation
from productfruits.functions.runtime import Sandbox

_COMMENTS = re.compile(r"/\*.*?\*/|(?<![:'\"])//[^\n]*", re.S)
_RETURN = re.compile(r"(?<![\w$.])return(?![\w$])")
_FUNCTION = re.compile(r"(async\s+)?(function\b|\(?[\w$,\s]*\)?\s*=>)")
_EXPRESSION = re.compile(r"[$_]\s*(\?\.|\.|\[)")


class ExpressionFailed(ProductFruitsError):
    """An expression could not be evaluated."""


def read(text: str) -> str | None:
    """The function body that a text stands for, or None for a constant."""
    bare = _COMMENTS.sub("", text).strip()
    if _FUNCTION.match(bare):
        return f"return (\n{text.strip().rstrip(';')}\n)(_, $)"
    if _RETURN.search(bare):
        return text
    if "${" in text:
        # What stands between the holes is text: only there a backtick or a backslash means itself.
        return "return `" + _escaped(text) + "`"
    if _EXPRESSION.match(bare):
        return f"return (\n{text.strip().rstrip(';')}\n)"
    return None


def evaluate(sandbox: Sandbox, key: str, texts: Mapping[str, str], event: Any) -> dict[str, Any]:
    """The value of each text for this event, all in one run. `key` names whose expressions they are.

    Raises `ExpressionFailed` with what the engine says of it, and what `Sandbox.run` raises.
    """
    bodies = {name: body for name, text in texts.items() if (body := read(text)) is not None}
    values: dict[str, Any] = {name: text for name, text in texts.items() if name not in bodies}
    if bodies:
        evaluation = Evaluation(tuple(bodies.values()), event)
        done = sandbox.run(Code(f"expressions:{key}", ""), evaluation, no_network)
        if done.failure is not None:
            raise ExpressionFailed(
                f"An expression could not be evaluated: {done.failure.name}: {done.failure.message}"[:1_000]
            )
        values.update(zip(bodies, json.loads(done.value or "[]"), strict=True))
    return {name: values[name] for name in texts}


def _escaped(text: str) -> str:
    parts, depth, inside = [], 0, False
    for at, character in enumerate(text):
        if not inside and character == "{" and at and text[at - 1] == "$":
            inside, depth = True, 1
        elif inside and character in "{}":
            depth += 1 if character == "{" else -1
            inside = depth > 0
        elif not inside and character in "\\`":
            parts.append("\\")
        parts.append(character)
    return "".join(parts)
