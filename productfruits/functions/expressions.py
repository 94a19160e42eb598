"""Function bodies over an event, as Jitsu's destinations are written: `$`, `_` and `event` are the event."""

import json
from collections.abc import Mapping
from typing import Any

from productfruits.errors import ProductFruitsError
from productfruits.functions.fetching import no_network
from productfruits.functions.runs import Code, Evaluation
from productfruits.functions.runtime import Sandbox


class ExpressionFailed(ProductFruitsError):
    """An expression could not be evaluated."""


def evaluate(sandbox: Sandbox, key: str, scripts: Mapping[str, str], event: Any) -> dict[str, Any]:
    """What each body returns for this event, all in one run. `key` names whose bodies they are.

    Raises `ExpressionFailed` with what the engine says of it, and what `Sandbox.run` raises.
    """
    if not scripts:
        return {}
    done = sandbox.run(Code(f"expressions:{key}", ""), Evaluation(tuple(scripts.values()), event), no_network)
    if done.failure is not None:
        told = f"{done.failure.name}: {done.failure.message}"
        raise ExpressionFailed(f"An expression could not be evaluated: {told}"[:1_000])
    return dict(zip(scripts, json.loads(done.value or "[]"), strict=True))
