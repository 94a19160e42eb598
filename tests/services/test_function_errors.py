"""What is kept of functions' runs: errors, requests that wait and those that were caught, how many and how long."""

import datetime as dt

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from productfruits.functions import errors
from productfruits.functions.runs import Failure, Run
from productfruits.models import FunctionRequest
from productfruits.services import erasure, function_errors, function_requests, function_trials, retention
from productfruits.services.function_errors import Failed
from tests.services.functions import make
from tests.services.messages import NOW


def test_the_newest_hundred_errors_are_kept_and_an_erased_user_leaves_them(session: Session) -> None:
    instance = make(session)
    owner = instance.workspace_id
    failure = Failure(errors.BAD_REQUEST, "Error", "no\0pe")
    run = Run(failure, None, (), (), (), 1)
    for number in range(103):
        given = {"body": f'{{"email":"ada{number}@example.com"}}'}
        function_errors.record(session, owner, instance.id, Failed(run, failure, given), 1, NOW)
    kept = function_errors.newest(session, instance)
    assert len(kept) == 100 and "ada102@" in kept[0].input
    function_requests.add(session, owner, instance.id, {"headers": [], "body": "ada102@example.com"}, NOW, NOW)
    instance.function.caught = {"body": "Ada102@Example.com"}
    session.flush()
    erasure.erase_dead_letters(session, owner, {"ada102@example.com"})
    session.expire_all()
    assert len(function_errors.newest(session, instance)) == 99
    assert session.scalars(select(FunctionRequest)).all() == [] and instance.function.caught is None


def test_old_errors_and_caught_requests_are_forgotten(session: Session) -> None:
    instance = make(session)
    failure = Failure(errors.BAD_REQUEST, "Error", "no")
    failed = Failed(Run(failure, None, (), (), (), 1), failure, {})
    for at in (NOW, NOW - dt.timedelta(days=31)):
        function_errors.record(session, instance.workspace_id, instance.id, failed, 1, at)
    function_trials.wait_for_request(session, instance.function, NOW - dt.timedelta(days=2))
    function_trials.catch(session, instance.function.test_token, {"body": "x"}, NOW - dt.timedelta(days=2))
    retention.prune(session, NOW, 0)
    session.expire_all()
    assert [error.at for error in function_errors.newest(session, instance)] == [NOW]
    assert instance.function.caught is None


def test_requests_that_wait_are_bounded(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = make(session, "source")
    monkeypatch.setattr(function_requests, "MAX_WAITING", 1)
    function_requests.add(session, instance.workspace_id, instance.id, {}, NOW, NOW)
    with pytest.raises(function_requests.TooManyWait):
        function_requests.add(session, instance.workspace_id, instance.id, {}, NOW, NOW)


def test_only_a_waiting_editor_catches_a_request(session: Session) -> None:
    function = make(session, "source").function
    with pytest.raises(function_trials.NotWaiting):
        function_trials.catch(session, function.test_token, {"body": ""}, NOW)
    function_trials.wait_for_request(session, function, NOW)
    function_trials.catch(session, function.test_token, {"body": "x"}, NOW)
    assert function.caught == {"body": "x"}
    with pytest.raises(function_trials.NotWaiting):
        function_trials.catch(session, function.test_token, {"body": "y"}, NOW)
