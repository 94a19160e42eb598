"""The settings page of the snippet: the tag to paste, who users are proved to be, and what holds for all content."""

import datetime as dt
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from productfruits.services import adoption_settings, coverage, identity_secrets
from productfruits.web import current_runtime
from productfruits.web.admin import forms, gate
from productfruits.web.admin.gate import Place

HERE: Final = "/w/<workspace>/settings/snippet"
#: Days of coverage that the page shows.
COVERAGE_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class Revealed:
    """A new secret, shown once."""

    secret: str
    old_until: dt.datetime | None


@gate.page(HERE, needs="viewer")
def show(place: Place) -> ResponseReturnValue:
    return _page(place)


@gate.page(f"{HERE}/visitors", needs="owner", methods=("POST",))
def visitors(place: Place) -> ResponseReturnValue:
    """Whom pages may show content: how far a user must be proved, and what holds without a proof."""
    said = forms.read(forms.Visitors)
    return _change(place, "snippet.visitors_changed", said)


@gate.page(f"{HERE}/pace", needs="editor", methods=("POST",))
def pace(place: Place) -> ResponseReturnValue:
    """How much content may start by itself, and in which time zone schedules are."""
    said = forms.read(forms.Pace)
    limit = (said.get("limit_count"), said.get("limit_days"))
    changes = {"limit": limit, "quiet_hours": said["quiet_hours"], "time_zone": said["time_zone"]}
    return _change(place, "snippet.pace_changed", changes)


@gate.page(f"{HERE}/secret", needs="owner", methods=("POST",))
def rotate(place: Place) -> ResponseReturnValue:
    """Make the first secret or the next one, and show it once."""
    overlap = dt.timedelta(hours=forms.read(forms.Rotate)["overlap_hours"])
    runtime = current_runtime()
    with runtime.writing() as store:
        made = identity_secrets.rotate(store, place.workspace.id, gate.now(), runtime.vault, overlap)
        gate.record(store, place, "identity_secret.rotated", fingerprint=made.fingerprint)
    return _page(place, Revealed(made.secret, made.old_until))


@gate.page(f"{HERE}/secret/revoke", needs="owner", methods=("POST",))
def revoke(place: Place) -> ResponseReturnValue:
    secret_id = forms.read(forms.Secret)["secret"]
    with current_runtime().writing() as store:
        revoked = identity_secrets.revoke(store, place.workspace.id, secret_id, gate.now())
        gate.record(store, place, "identity_secret.revoked", fingerprint=revoked.fingerprint)
    flash(
        f"The secret {revoked.fingerprint} is revoked: hashes made with it are refused within two seconds.", "success"
    )
    return _back(place)


def _change(place: Place, action: str, changes: Mapping[str, Any]) -> ResponseReturnValue:
    with current_runtime().writing() as store:
        adoption_settings.change(store, place.workspace.id, **changes)
        gate.record(store, place, action)
    flash("Saved. Pages follow within a second or two.", "success")
    return _back(place)


def _page(place: Place, revealed: Revealed | None = None) -> ResponseReturnValue:
    runtime = current_runtime()
    since = gate.now().date() - dt.timedelta(days=COVERAGE_DAYS - 1)
    with runtime.reading() as store:
        settings = adoption_settings.of(store, place.workspace.id)
        secrets = identity_secrets.live_rows(store, place.workspace.id, gate.now())
        days = coverage.days(store, place.workspace.id, since)
    base_url = runtime.settings.base_url
    return render_template(
        "snippet/show.html",
        tag=f'<script async src="{base_url}/snippet.js" data-workspace="{place.workspace.key}"></script>',
        policy=f"script-src {base_url}; connect-src {base_url}",
        settings=settings,
        secrets=secrets,
        coverage=days,
        share=coverage.share(days),
        revealed=revealed,
        time_zones=sorted(zoneinfo.available_timezones()),
    )


def _back(place: Place) -> ResponseReturnValue:
    return redirect(url_for("admin.snippet_show", workspace=place.workspace.key), 303)
