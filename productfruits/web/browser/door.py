"""What all requests of pages share in a process, and who a page speaks for."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from productfruits.identity import keys, verification
from productfruits.identity.verification import Verdict
from productfruits.services.sites import Site
from productfruits.web.ingest.admission import Admission
from productfruits.web.ingest.bodies import Budget
from productfruits.workers.runtime import Runtime

#: All bodies of pages that are in memory at once.
IN_FLIGHT_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Claim:
    """For whom a page says that it speaks, and its proof. Ids have been through `keys.identifier`."""

    username: str | None
    anonymous_id: str | None
    hash: str | None
    expiration: str | None


@dataclass(frozen=True, slots=True)
class Speaker:
    """For whom a page speaks. Ids have been through `keys.identifier`."""

    username: str | None
    anonymous_id: str | None
    verdict: Verdict

    @property
    def is_verified(self) -> bool:
        return self.verdict is Verdict.VERIFIED


class BrowserDoor:
    """The sites of the process, its notes about pages, and the room for bodies."""

    def __init__(self, runtime: Runtime, admission: Admission) -> None:
        self.runtime = runtime
        self.admission = admission
        self.sites = runtime.sites
        self.notes = runtime.page_notes
        self.budget = Budget(IN_FLIGHT_BYTES)

    def speaker(self, site: Site, claim: Claim, now: dt.datetime) -> Speaker:
        """Who it is, and whether that is proved; counted where the workspace asks for proofs."""
        if claim.username is None or site.settings.verification == "off":
            return Speaker(claim.username, claim.anonymous_id, Verdict.MISSING)
        secrets = [secret for secret in site.secrets if secret.is_live(now)]
        live_keys = [secret.key for secret in secrets]
        proof = verification.verify(claim.username, claim.hash, claim.expiration, secrets=live_keys, now=now)
        used = None if proof.secret is None else secrets[proof.secret].id
        self.notes.judged(site.workspace_id, proof.verdict, used, now)
        return Speaker(claim.username, claim.anonymous_id, proof.verdict)


def claim(said: Mapping[str, Any]) -> Claim:
    """What a page says about who it speaks for."""
    return Claim(
        keys.identifier(said.get("username")),
        keys.identifier(said.get("anonymous_id")),
        _text(said.get("hash")),
        _text(said.get("expiration")),
    )


def refuses(site: Site, speaker: Speaker) -> bool:
    """Whether the workspace does not listen to whoever speaks for a user without a proof."""
    return site.settings.verification == "enforced" and speaker.username is not None and not speaker.is_verified


def _text(value: Any) -> str | None:
    """A value as it would stand in the address; what is neither text nor a whole number cannot be right."""
    if value is None:
        return None
    return str(value) if type(value) in (str, int) else "malformed"
