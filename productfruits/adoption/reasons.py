"""The reasons why something is not shown, in words. One file for the server, the snippet's debug() and the docs."""

import json
from dataclasses import dataclass
from importlib import resources
from typing import Final

#: The order in which gates are asked. From "page" on the browser knows the answers.
GATES: Final = (
    "published",
    "schedule",
    "identity",
    "targeting",
    "frequency",
    "snooze",
    "quiet",
    "limit",
    "page",
    "manual",
    "consent",
    "turn",
)


@dataclass(frozen=True, slots=True)
class Reason:
    gate: str
    #: May hold {what}: the condition, the time or the name that it is about.
    text: str

    def about(self, what: str) -> str:
        """The sentences with what they are about filled in."""
        return self.text.replace("{what}", what)


REASONS: Final = {
    code: Reason(**said)
    for code, said in json.loads(
        resources.files("productfruits.adoption").joinpath("reasons.json").read_text("utf-8")
    ).items()
}
