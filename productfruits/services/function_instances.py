"""Instances of functions: connected, given values for their settings, switched on and off, made ready to run."""

import datetime as dt
import hashlib
import secrets as random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from productfruits.errors import ProductFruitsError
from productfruits.functions import definitions
from productfruits.functions.definitions import Values
from productfruits.functions.runs import Code
from productfruits.models import Destination, Function, FunctionInstance
from productfruits.services import destinations, functions
from productfruits.services.documents import Document, instant
from productfruits.services.vault import Vault

MAX_INSTANCES = 100
#: The kind of the outlets through which destination functions are given their events.
OUTLET = destinations.OF_FUNCTIONS


class TooManyInstances(ProductFruitsError):
    """This function has 100 instances, which is the limit. Remove some that are no longer needed."""


class InvalidInstanceName(ProductFruitsError):
    """An instance needs a name of 1 to 100 characters that says what it is for, like "Slack of the sales team"."""


@dataclass(frozen=True, slots=True)
class Runnable:
    """An instance as it runs now: plain values, to be kept and shared by threads."""

    instance_id: int
    workspace_id: int
    kind: str
    code: Code
    settings: Values = field(repr=False)
    #: Labels of required settings without a value.
    missing: tuple[str, ...]
    #: Sensitive values, to be hidden in all that is kept of a run.
    secrets: tuple[str, ...] = field(repr=False)
    #: The last part of its own address, which it must not call.
    token: str | None = field(repr=False)


def connect(
    session: Session, function: Function, name: str, values: Mapping[str, Any], now: dt.datetime, vault: Vault
) -> FunctionInstance:
    """A new instance that runs the newest version. Raises `InvalidInstanceName` or `definitions.InvalidValues`."""
    if len(function.instances) >= MAX_INSTANCES:
        raise TooManyInstances()
    latest = function.latest
    instance = FunctionInstance(
        workspace_id=function.workspace_id,
        version=latest,
        uid=random.token_hex(16),
        name=_checked_name(name),
        enabled=True,
        token=random.token_urlsafe(24) if function.kind == "source" else None,
        created_at=now,
    )
    _seal(instance, definitions.check_values(latest.settings, values), vault)
    if function.kind == "destination":
        outlet = _outlet(instance, functions.taken_by(latest.handlers), now, vault)
        session.add(outlet)
        session.flush()
        instance.destination_id = outlet.id
    function.instances.append(instance)
    session.flush()
    return instance


def change(session: Session, instance: FunctionInstance, *, name: str, values: Mapping[str, Any], vault: Vault) -> None:
    """Another name, other values; None for a sensitive one keeps it. Raises as `connect` does."""
    instance.name = _checked_name(name)
    former = values_of(instance, vault)
    _seal(instance, definitions.check_values(instance.version.settings, values, former), vault)
    if instance.destination_id is not None:
        session.get_one(Destination, instance.destination_id).name = instance.name
    session.flush()


def switch(session: Session, instance: FunctionInstance, on: bool) -> None:
    """Run it, or let it rest: a source answers nobody, events for a destination are not even queued. Safe to repeat."""
    instance.enabled = on
    if instance.destination_id is not None:
        outlet = session.get_one(Destination, instance.destination_id)
        outlet.enabled = on
        if on:
            outlet.stopped_at = outlet.stopped_because = outlet.failing_since = outlet.rests_until = None
            outlet.unanswered = 0
    session.flush()


def disconnect(session: Session, instance: FunctionInstance) -> None:
    """Remove it with what waits for it and what it left."""
    outlet = instance.destination_id
    instance.function.instances.remove(instance)
    session.flush()
    if outlet is not None:
        session.delete(session.get_one(Destination, outlet))
        session.flush()


def by_token(session: Session, token: str) -> FunctionInstance | None:
    """The instance of a source function with this address, or None."""
    if not token.isascii() or not token.isprintable() or len(token) > 64:
        return None
    return session.scalar(select(FunctionInstance).where(FunctionInstance.token == token))


def of_outlet(session: Session, destination_id: int) -> FunctionInstance | None:
    """The instance that is given its events through this outlet, or None."""
    return session.scalar(select(FunctionInstance).where(FunctionInstance.destination_id == destination_id))


def values_of(instance: FunctionInstance, vault: Vault) -> Values:
    """The values of the settings, in clear. Raises `vault.Undecryptable`."""
    if not instance.ciphertext:  # given up with a lost key
        return {}
    values: Values = msgspec.json.decode(vault.decrypt(instance.identity, instance.ciphertext))
    return values


def runnable(instance: FunctionInstance, vault: Vault) -> Runnable:
    """The instance, ready to run. Raises `vault.Undecryptable`."""
    values, version = values_of(instance, vault), instance.version
    # Other settings or another version are another isolate: nothing that was made with the old ones lives on.
    state = hashlib.sha256(instance.ciphertext).hexdigest()[:12]
    key = f"{instance.function_id}:{instance.id}:{version.id}:{state}"
    return Runnable(
        instance_id=instance.id,
        workspace_id=instance.workspace_id,
        kind=instance.function.kind,
        code=Code(key, version.code, sends=instance.function.kind == "source"),
        settings=_given(version.settings, values),
        missing=tuple(definitions.missing(version.settings, values)),
        secrets=definitions.secrets(version.settings, values),
        token=instance.token,
    )


def trial(function: Function, kind: str, code: str, settings: list[dict[str, Any]], values: Values) -> Runnable:
    """Code that is being written, with values for this once; an isolate that nobody else has."""
    return Runnable(
        instance_id=0,
        workspace_id=function.workspace_id,
        kind=kind,
        code=Code(f"{function.id}:trial:{random.token_hex(8)}", code, sends=kind == "source"),
        settings=_given(settings, values),
        missing=(),
        secrets=definitions.secrets(settings, values),
        token=function.test_token,
    )


def url(base_url: str, token: str) -> str:
    """The address of a source function."""
    return f"{base_url}/functions/{token}"


def document(instance: FunctionInstance, base_url: str, vault: Vault) -> Document:
    """The public document of an instance: sensitive values are null."""
    shown = {
        "id": instance.id,
        "name": instance.name,
        "enabled": instance.enabled,
        "version": instance.version.number,
        "settings": definitions.shown(instance.version.settings, values_of(instance, vault)),
        "succeeded": instance.succeeded,
        "failed": instance.failed,
        "last_run_at": instant(instance.last_run_at),
        "created_at": instant(instance.created_at),
    }
    return {**shown, "url": url(base_url, instance.token)} if instance.token else {**shown, "url": None}


def _given(settings: list[dict[str, Any]], values: Values) -> Values:
    """What the code is given: what it asks for, empty values included."""
    empty: dict[str, Any] = {"text": "", "boolean": False, "array": [], "map": {}}
    return {setting["key"]: values.get(setting["key"], empty[setting["type"]]) for setting in settings}


def _outlet(instance: FunctionInstance, taken: dict[str, Any], now: dt.datetime, vault: Vault) -> Destination:
    outlet = Destination(
        workspace_id=instance.workspace_id,
        key=f"{OUTLET}-{instance.uid[:12]}",
        uid=random.token_hex(12),
        name=instance.name,
        kind=OUTLET,
        enabled=True,
        method="POST",
        address="",
        filter={"names": [], **taken},
        body={},
        created_at=now,
        leased_until=now,
        unanswered=0,
    )
    nowhere = msgspec.json.encode({"url": "", "headers": {}, "write_key": None})
    outlet.ciphertext = vault.encrypt(outlet.identity, nowhere)
    return outlet


def _seal(instance: FunctionInstance, values: Values, vault: Vault) -> None:
    instance.ciphertext = vault.encrypt(instance.identity, msgspec.json.encode(values))


def _checked_name(name: str) -> str:
    name = " ".join(name.split())
    if not 1 <= len(name) <= definitions.NAME_MAX:
        raise InvalidInstanceName()
    return name
