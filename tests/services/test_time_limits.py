"""A question that takes too long is stopped, and the transaction goes on."""

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from productfruits.models import Workspace
from productfruits.services.time_limits import Stopped, within
from tests.services import factories

ENDLESS = text("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x FROM n) SELECT count(*) FROM n")


def test_what_takes_too_long_is_stopped_and_what_was_written_stays(session: Session) -> None:
    name = factories.workspace(session, "Acme").name
    session.flush()
    with pytest.raises(Stopped), within(session, 0.05):
        session.execute(ENDLESS)
    assert session.scalars(select(Workspace.name)).one() == name


def test_what_is_quick_is_answered(session: Session) -> None:
    with within(session, 60):
        assert session.scalar(text("SELECT 7")) == 7


def test_other_errors_stay_what_they_are(session: Session) -> None:
    with pytest.raises(DBAPIError, match="nowhere"), within(session, 60):
        session.execute(text("SELECT 1 FROM nowhere"))
    assert session.scalar(text("SELECT 7")) == 7
