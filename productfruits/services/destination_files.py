"""Destinations in a file (YAML or JSON), in our own form or in Jitsu's: read as a whole, applied as a whole."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml
from marshmallow import ValidationError
from sqlalchemy.orm import Session

from productfruits.errors import ProductFruitsError
from productfruits.outgoing import jitsu
from productfruits.outgoing.schemas import DestinationShape
from productfruits.services import destinations
from productfruits.services.vault import Vault

MAX_BYTES = 1024 * 1024


class UnreadableFile(ProductFruitsError):
    """The file of destinations cannot be used."""


@dataclass(frozen=True, slots=True)
class Applied:
    """A destination of the file: made now, with its secret, or changed."""

    key: str
    secret: str | None = field(repr=False)

    @property
    def made(self) -> bool:
        return self.secret is not None


def read(raw: bytes) -> list[Mapping[str, Any]]:
    """What the file says, as `destinations.create` takes it. Raises `UnreadableFile`, which names every mistake."""
    if len(raw) > MAX_BYTES:
        raise UnreadableFile("The file is larger than 1 MiB.")
    try:
        content = yaml.safe_load(raw)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as err:
        place = getattr(err, "problem_mark", None)
        raise UnreadableFile(f"The file is not YAML{f' (line {place.line + 1})' if place else ''}.") from err
    named = content.get("destinations") if isinstance(content, dict) else None
    if not isinstance(named, dict) or not named:
        raise UnreadableFile("The file must hold `destinations:` with each destination under its key.")
    shapes, mistakes = [], []
    for key, said in named.items():
        try:
            shapes.append(_shape(key, said))
        except ValidationError as err:
            mistakes += [f"{key}: {line}" for line in _lines(err.messages)]
    if mistakes:
        raise UnreadableFile("Nothing was changed. " + " ".join(mistakes))
    return shapes


def apply(
    session: Session, workspace_id: int, shapes: Sequence[Mapping[str, Any]], now: dt.datetime, vault: Vault
) -> list[Applied]:
    """Make what is new, change what is there; other destinations stay. Raises what making and changing raise."""
    applied = []
    for shape in shapes:
        existing = destinations.find(session, workspace_id, shape["key"])
        secret = None
        if existing is None:
            secret = destinations.create(session, workspace_id, shape, now, vault).secret
        else:
            destinations.change(session, existing, shape, vault)
        applied.append(Applied(shape["key"], secret))
    return applied


def _shape(key: Any, said: Any) -> Mapping[str, Any]:
    if jitsu.is_entry(said):
        said = jitsu.load(said)
        # Jitsu's keys are written with underscores.
        key = key.replace("_", "-").lower() if isinstance(key, str) else key
    elif not isinstance(said, dict):
        said = {}
    shape: Mapping[str, Any] = DestinationShape().load({"name": str(key), **said, "key": key})
    return shape


def _lines(errors: Any, path: str = "") -> Iterator[str]:
    if isinstance(errors, dict):
        for name, inner in errors.items():
            yield from _lines(inner, f"{path}.{name}" if path else str(name))
    else:
        yield f"{path.removesuffix('._schema')}: {' '.join(map(str, errors))}"
