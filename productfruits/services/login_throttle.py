"""Slows down password guessing, per account and per address, across restarts and processes."""

import datetime as dt
import hashlib
import ipaddress

from sqlalchemy import delete
from sqlalchemy.orm import Session

from productfruits.database import begin_immediate
from productfruits.errors import ProductFruitsError
from productfruits.models import LoginThrottle

#: Failures that cost nothing: people mistype. Many people can sit behind one address.
FREE_PER_ACCOUNT = 5
FREE_PER_ADDRESS = 20
FIRST_PAUSE = dt.timedelta(seconds=30)
#: The pause doubles up to this. Longer would let a stranger lock an admin out of the account.
LONGEST_PAUSE = dt.timedelta(minutes=15)
#: A row without a failure for so long is forgotten.
FORGET_AFTER = dt.timedelta(hours=24)


class TooManyAttempts(ProductFruitsError):
    """Too many failed logins for this account or from this address. Wait a little and try again."""

    def __init__(self, wait: dt.timedelta) -> None:
        minutes = max(1, -(-int(wait.total_seconds()) // 60))
        unit = "minute" if minutes == 1 else "minutes"
        super().__init__(
            f"Too many failed logins for this account or from this address. Try again in {minutes} {unit}."
        )
        self.wait_s = max(1, int(wait.total_seconds()))


def count_attempt(session: Session, *, email_key: str, address: str, now: dt.datetime) -> None:
    """Count one attempt as failed before its password is looked at, or raise `TooManyAttempts`.

    Counted first, so that a hundred guesses sent at once do not all see the counter of the first.
    `succeeded` takes it back. Call it in a transaction of its own.
    """
    begin_immediate(session)
    session.execute(delete(LoginThrottle).where(LoginThrottle.last_failure_at < now - FORGET_AFTER))
    limits = _subjects(email_key, address)
    # with_for_update: Postgres would let two attempts read the same count; SQLite already holds the write lock.
    rows = {subject: session.get(LoginThrottle, subject, with_for_update=True) for subject in sorted(limits)}
    blocked = [row.blocked_until for row in rows.values() if row and row.blocked_until and row.blocked_until > now]
    if blocked:
        raise TooManyAttempts(max(blocked) - now)
    for subject, row in rows.items():
        if row is None:
            row = LoginThrottle(subject=subject, failures=0)
            session.add(row)
        row.failures += 1
        row.last_failure_at = now
        row.blocked_until = _blocked_until(row.failures - limits[subject], now)
    session.flush()


def succeeded(session: Session, *, email_key: str, address: str) -> None:
    """Forget the account's failures, and the one attempt of the address: its other failures may be an attacker's."""
    begin_immediate(session)
    account, source = _account(email_key), _address(address)
    row = session.get(LoginThrottle, account, with_for_update=True)
    if row:
        session.delete(row)
    row = session.get(LoginThrottle, source, with_for_update=True)
    if row:
        row.failures = max(0, row.failures - 1)
        row.blocked_until = None
    session.flush()


def _blocked_until(beyond: int, now: dt.datetime) -> dt.datetime | None:
    if beyond < 0:
        return None
    doubled: int = 2 ** min(beyond, 10)
    return now + min(LONGEST_PAUSE, FIRST_PAUSE * doubled)


def _subjects(email_key: str, address: str) -> dict[str, int]:
    return {_account(email_key): FREE_PER_ACCOUNT, _address(address): FREE_PER_ADDRESS}


def _account(email_key: str) -> str:
    return "account:" + hashlib.sha256(email_key.encode()).hexdigest()


def _address(address: str) -> str:
    """Hashed, and for IPv6 the /64 network: a single subscriber has that many addresses to change between."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        network = address
    else:
        network = str(ipaddress.ip_network((ip, 64), strict=False)) if ip.version == 6 else str(ip)
    return "address:" + hashlib.sha256(network.encode()).hexdigest()
