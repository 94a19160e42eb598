"""Destination functions as the outbox sees them: what runs for an outlet, and what became of its runs."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from productfruits.models import Destination
from productfruits.services import function_errors, function_instances
from productfruits.services.function_errors import Failed
from productfruits.services.function_instances import Runnable
from productfruits.services.vault import Vault


@dataclass(frozen=True, slots=True)
class Ran:
    """The last run for a delivery; nothing more is tried. `failed`: what is to be kept of it."""

    destination_id: int
    attempts: int
    at: dt.datetime
    failed: Failed | None = field(repr=False)


def runnable_of(session: Session, destination: Destination, vault: Vault) -> Runnable | None:
    """What runs for the destination, or None for one that is no function. Raises `vault.Undecryptable`."""
    if destination.kind != function_instances.OUTLET:
        return None
    instance = function_instances.of_outlet(session, destination.id)
    return None if instance is None else function_instances.runnable(instance, vault)


def note(session: Session, runs: Iterable[Ran], now: dt.datetime) -> None:
    """Count the runs, and keep those that failed for good."""
    for run in runs:
        instance = function_instances.of_outlet(session, run.destination_id)
        if instance is None:
            continue
        if run.failed is None:
            function_errors.count(session, instance.id, succeeded=1, now=now)
        else:
            function_errors.count(session, instance.id, failed=1, now=now)
            function_errors.record(session, instance.workspace_id, instance.id, run.failed, run.attempts, run.at)
