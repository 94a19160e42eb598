"""The editor's form: code, settings in rows, values for a trial, and what the function is to be given."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from flask import abort, request
from marshmallow import ValidationError

from productfruits.functions import definitions
from productfruits.functions.definitions import FunctionShape

#: Empty rows below the settings that there are.
MORE_ROWS = 2


@dataclass(slots=True)
class Draft:
    """What stands in the editor. `given`: an event or a body, as text; for a source also `headers`, a line each."""

    name: str
    kind: str
    code: str
    settings: list[dict[str, Any]]
    given: str
    headers: str = ""
    #: Values for a trial, by key, as text.
    values: dict[str, str] = field(default_factory=dict)

    def shape(self) -> dict[str, Any]:
        """What `FunctionShape` loads of it. Raises `ValidationError`."""
        loaded: dict[str, Any] = FunctionShape().load(
            {"name": self.name, "kind": self.kind, "code": self.code, "settings": self.settings}
        )
        return loaded

    def trial_values(self) -> dict[str, Any]:
        """The values for a trial, in the types of their settings."""
        return typed(definitions.with_keys(self.settings), self.values)

    def request(self, url: str) -> dict[str, Any]:
        """The request for a trial of a source function."""
        pairs = []
        for line in self.headers.splitlines():
            name, colon, value = line.partition(":")
            if colon and name.strip():
                pairs.append([name.strip(), value.strip()])
        return {"method": "POST", "url": url, "headers": pairs, "body": self.given}


def read(kind: str) -> Draft:
    """The editor's form of this request."""
    said = request.form
    settings = []
    for number in range(definitions.MAX_SETTINGS + MORE_ROWS):
        row = {name: said.get(f"setting-{number}-{name}", "") for name in ("label", "key", "type", "description")}
        if not row["label"].strip() or said.get(f"setting-{number}-remove"):
            continue
        setting: dict[str, Any] = {name: text.strip() for name, text in row.items() if text.strip()}
        for name in ("required", "sensitive"):
            setting[name] = bool(said.get(f"setting-{number}-{name}"))
        settings.append(setting)
    return Draft(
        name=said.get("name", ""),
        kind=kind,
        code=said.get("code", "").replace("\r\n", "\n"),
        settings=settings,
        given=said.get("given", "").replace("\r\n", "\n"),
        headers=said.get("headers", "").replace("\r\n", "\n"),
        values=values(),
    )


def values() -> dict[str, str]:
    """The fields of settings' values, by key."""
    return {
        name.removeprefix("value-"): text.replace("\r\n", "\n")
        for name, text in request.form.items()
        if name.startswith("value-")
    }


def typed(settings: list[dict[str, Any]], texts: Mapping[str, str]) -> dict[str, Any]:
    """Values as their settings want them: lists by lines, maps as `name: value` lines, a switch as true or false."""
    found: dict[str, Any] = {}
    for setting in settings:
        text = texts.get(setting["key"], "").strip()
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        match setting["type"]:
            case "boolean":
                found[setting["key"]] = text == "1"
            case "array":
                found[setting["key"]] = lines
            case "map":
                found[setting["key"]] = {
                    name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)
                }
            case _:
                # An empty field of a sensitive setting keeps what there is.
                found[setting["key"]] = text or None
    return found


def as_text(setting: Mapping[str, Any], value: Any) -> str:
    """A value as its field shows it."""
    match value:
        case None:
            return ""
        case bool():
            return "1" if value else ""
        case list():
            return "\n".join(value)
        case dict():
            return "\n".join(f"{name}: {text}" for name, text in value.items())
        case _:
            return str(value)


def event(text: str) -> dict[str, Any] | None:
    """The event that stands in the editor; None if it is no JSON object."""
    try:
        found = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def words(err: ValidationError) -> str:
    """What is wrong with a draft, in one sentence each."""

    def flat(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [text for part in value.values() for text in flat(part)]
        return [str(text) for text in value] if isinstance(value, list) else [str(value)]

    return " ".join(f"{name.capitalize()}: {' '.join(flat(value))}" for name, value in err.messages_dict.items())


def chosen_instances() -> list[int]:
    """The instances ticked for a deployment."""
    try:
        return [int(number) for number in request.form.getlist("deploy-to")]
    except ValueError:
        abort(400)
