"""Functions of a workspace: written, saved in versions, deployed to instances."""

import datetime as dt
import re
import secrets as random
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from productfruits.errors import ProductFruitsError
from productfruits.functions import definitions
from productfruits.functions.runs import Code
from productfruits.functions.runtime import Sandbox
from productfruits.models import Destination, Function, FunctionInstance, FunctionVersion
from productfruits.services.documents import Document, instant

MAX_FUNCTIONS = 200
#: Versions that are kept of a function beside those that are in use.
KEPT_VERSIONS = 50


class FunctionsOff(ProductFruitsError):
    """Functions are switched off on this server, so nobody's code is taken or run.

    Its operator switches them on with PRODUCTFRUITS_FUNCTIONS=on.
    """


class NoSuchFunction(ProductFruitsError):
    """There is no such function in this workspace."""


class NoSuchVersion(ProductFruitsError):
    """There is no such version of this function. The newest fifty are kept, and those that are in use."""


class NoSuchInstance(ProductFruitsError):
    """This function has no such instance."""


class TooManyFunctions(ProductFruitsError):
    """This workspace has 200 functions, which is the limit. Delete some that are no longer needed."""


class KindStays(ProductFruitsError):
    """A source function cannot become a destination function, nor the other way round. Make a new one."""


class NoHandler(ProductFruitsError):
    """The code defines no handler, so nothing would ever run."""


class OwnAddress(ProductFruitsError):
    """Functions are unable to send data or events back to their originating source.

    The code names the address of this very function, which could call itself for ever. Take it out.
    """


def check(sandbox: Sandbox, kind: str, code: str) -> tuple[str, ...]:
    """The handlers that the code defines. Runs it, so call it outside of a transaction.

    Raises `functions.errors.InvalidCode` or `NoHandler`.
    """
    found = sandbox.handlers(Code("", code, sends=kind == "source"))
    wanted = ("onRequest",) if kind == "source" else tuple(definitions.HANDLERS)
    handlers = tuple(name for name in found if name in wanted)
    if not handlers:
        raise NoHandler(
            "A source function needs a handler: async function onRequest(request, settings) { … }"
            if kind == "source"
            else "A destination function needs a handler for at least one type of event, such as "
            "async function onTrack(event, settings) { … }"
        )
    return handlers


def create(
    session: Session, workspace_id: int, shape: Mapping[str, Any], handlers: Sequence[str], who: str, now: dt.datetime
) -> Function:
    """A new function with its first version, from what `definitions.FunctionShape` loaded."""
    taken = set(session.scalars(select(Function.key).where(Function.workspace_id == workspace_id)))
    if len(taken) >= MAX_FUNCTIONS:
        raise TooManyFunctions()
    function = Function(
        workspace_id=workspace_id,
        key=_free_key(shape["name"], taken),
        name=" ".join(shape["name"].split()),
        kind=shape["kind"],
        created_at=now,
        test_token=random.token_urlsafe(24),
    )
    session.add(function)
    _add_version(function, shape, handlers, who, now)
    session.flush()
    return function


def save(
    session: Session, function: Function, shape: Mapping[str, Any], handlers: Sequence[str], who: str, now: dt.datetime
) -> FunctionVersion:
    """Keep this as the newest version; what runs goes on with its own until it is deployed. Safe to repeat.

    Raises `KindStays` or `OwnAddress`.
    """
    if shape["kind"] != function.kind:
        raise KindStays()
    if any(instance.token and instance.token in shape["code"] for instance in function.instances):
        raise OwnAddress()
    function.name = " ".join(shape["name"].split())
    latest = function.latest
    settings = definitions.with_keys(shape["settings"])
    if (latest.code, latest.settings) != (shape["code"], settings):
        latest = _add_version(function, shape, handlers, who, now)
        _forget_old_versions(function)
    session.flush()
    return latest


def deploy(session: Session, function: Function, version: FunctionVersion, instance_ids: Collection[int]) -> int:
    """Have these instances run the version; returns how many. A destination is given what it has handlers for."""
    chosen = [instance for instance in function.instances if instance.id in instance_ids]
    for instance in chosen:
        instance.version = version
        if instance.destination_id is not None:
            destination = session.get_one(Destination, instance.destination_id)
            destination.filter = {**destination.filter, **taken_by(version.handlers)}
    session.flush()
    return len(chosen)


def delete(session: Session, function: Function) -> None:
    """Remove it with its versions, its instances and all that they left."""
    outlets = [i.destination_id for i in function.instances if i.destination_id is not None]
    session.delete(function)
    session.flush()
    for destination_id in outlets:
        session.delete(session.get_one(Destination, destination_id))
    session.flush()


def by_key(session: Session, workspace_id: int, key: str) -> Function:
    """The function, or `NoSuchFunction`."""
    found = None
    if "\0" not in key:
        found = session.scalar(select(Function).where(Function.workspace_id == workspace_id, Function.key == key))
    if found is None:
        raise NoSuchFunction()
    return found


def of_workspace(session: Session, workspace_id: int) -> Sequence[Function]:
    """All functions, by name."""
    query = select(Function).where(Function.workspace_id == workspace_id)
    return session.scalars(query.order_by(func.lower(Function.name), Function.id)).all()


def version(function: Function, number: int | None) -> FunctionVersion:
    """The version with this number, the newest for None. Raises `NoSuchVersion`."""
    if number is None:
        return function.latest
    found = next((version for version in function.versions if version.number == number), None)
    if found is None:
        raise NoSuchVersion()
    return found


def instance_of(function: Function, instance_id: int) -> FunctionInstance:
    """The instance with this number, or `NoSuchInstance`."""
    found = next((instance for instance in function.instances if instance.id == instance_id), None)
    if found is None:
        raise NoSuchInstance()
    return found


def taken_by(handlers: Sequence[str]) -> dict[str, Any]:
    """The part of an outlet's filter that follows from the handlers: what has none is not even queued."""
    types = [definitions.HANDLERS[name] for name in handlers if name in definitions.HANDLERS]
    events = [kind for kind in types if kind != "delete"]
    return {
        "events": "all" if events else "none",
        "types": events,
        "changes": ["user.deleted"] if "delete" in types else [],
    }


def document(function: Function) -> Document:
    """The public document of a function."""
    latest = function.latest
    return {
        "key": function.key,
        "name": function.name,
        "kind": function.kind,
        "version": latest.number,
        "code": latest.code,
        "settings": latest.settings,
        "handlers": latest.handlers,
        "instances": len(function.instances),
        "created_at": instant(function.created_at),
        "saved_at": instant(latest.created_at),
    }


def _add_version(
    function: Function, shape: Mapping[str, Any], handlers: Sequence[str], who: str, now: dt.datetime
) -> FunctionVersion:
    made = FunctionVersion(
        workspace_id=function.workspace_id,
        number=max((version.number for version in function.versions), default=0) + 1,
        code=shape["code"],
        settings=definitions.with_keys(shape["settings"]),
        handlers=list(handlers),
        saved_by=who,
        created_at=now,
    )
    function.versions.append(made)
    return made


def _forget_old_versions(function: Function) -> None:
    used = {instance.version_id for instance in function.instances}
    for old in function.versions[:-KEPT_VERSIONS]:
        if old.id not in used:
            function.versions.remove(old)


def _free_key(name: str, taken: set[str]) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    key = re.sub(r"[^a-z0-9]+", "-", plain)[:48].strip("-") or "function"
    if key not in taken and key != "new":
        return key
    return next(f"{key}-{number}" for number in range(2, MAX_FUNCTIONS + 3) if f"{key}-{number}" not in taken)
