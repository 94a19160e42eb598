"""What a workspace decides about its content and its pages."""

from typing import Any

import pytest
from sqlalchemy.orm import Session

from productfruits.models import Workspace
from productfruits.services import adoption_settings
from tests.services import factories


@pytest.fixture
def acme(session: Session) -> Workspace:
    return factories.workspace(session)


def test_settings_have_defaults_until_they_are_changed(session: Session, acme: Workspace) -> None:
    assert adoption_settings.of(session, acme.id) == adoption_settings.Values()
    changed = adoption_settings.change(
        session,
        acme.id,
        verification="report",
        trusts_page=False,
        time_zone=" Europe/Prague ",
        event_names={"tour_started": " Guide  Started ", "tour_completed": None},
        limit=(2, 7),
        quiet_hours=24,
    )
    assert changed == adoption_settings.of(session, acme.id)
    assert changed == adoption_settings.Values(
        generation=1,
        verification="report",
        trusts_page=False,
        time_zone="Europe/Prague",
        event_names={"tour_started": "Guide Started", "tour_completed": None},
        limit_count=2,
        limit_days=7,
        quiet_hours=24,
    )
    kept = adoption_settings.change(session, acme.id, allows_anonymous=False, limit=(None, None))
    assert (kept.verification, kept.quiet_hours, kept.limit_count, kept.allows_anonymous) == (
        "report",
        24,
        None,
        False,
    )


def test_settings_that_cannot_be_are_refused(session: Session, acme: Workspace) -> None:
    refused: list[tuple[dict[str, Any], type[Exception]]] = [
        ({"verification": "maybe"}, adoption_settings.UnknownVerification),
        ({"time_zone": "Europe/Atlantis"}, adoption_settings.UnknownTimeZone),
        ({"time_zone": "../../etc/passwd"}, adoption_settings.UnknownTimeZone),
        ({"time_zone": ""}, adoption_settings.UnknownTimeZone),
        ({"time_zone": "a\0"}, adoption_settings.UnknownTimeZone),
        ({"event_names": {"page": "x"}}, adoption_settings.InvalidEventName),
        ({"event_names": {"tour_started": " "}}, adoption_settings.InvalidEventName),
        ({"event_names": {"tour_started": "a\0"}}, adoption_settings.InvalidEventName),
        ({"limit": (1, None)}, adoption_settings.InvalidLimit),
        ({"limit": (0, 7)}, adoption_settings.InvalidLimit),
        ({"quiet_hours": -1}, adoption_settings.InvalidQuietTime),
    ]
    for change, refusal in refused:
        with pytest.raises(refusal):
            adoption_settings.change(session, acme.id, **change)
    assert adoption_settings.of(session, acme.id) == adoption_settings.Values()
