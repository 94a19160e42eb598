"""Audiences over HTTP: exact documents, refusals by place, and the count of a rule."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from productfruits.services import api_keys, audiences
from productfruits.web.api.endpoints import PREFIX
from productfruits.workers.runtime import Runtime
from tests.services import factories

Call = Callable[..., TestResponse]
PRO = {"kind": "trait", "name": "plan", "op": "is", "value": "pro"}


@pytest.fixture
def call(app_on_both: Flask, runtime: Runtime) -> Iterator[Call]:
    """Calls the API with a key of a workspace of three users: call("GET", "/audiences")."""
    with runtime.writing() as session:
        owner = factories.workspace(session)
        for number, plan in enumerate(("pro", "free", "pro")):
            factories.user(session, owner, f"user-{number}", traits={"plan": plan})
        key = api_keys.create(session, owner, "test", factories.NOW).key
    client = app_on_both.test_client()
    yield lambda method, path, **more: client.open(
        PREFIX + path, method=method, headers={"Authorization": f"Bearer {key}"}, **more
    )


def answer(response: TestResponse) -> Any:
    assert response.status_code == 200, response.text
    return response.get_json()


def refusal(response: TestResponse, status: int, code: str) -> dict[str, Any]:
    said: dict[str, Any] = response.get_json()
    assert (response.status_code, said["code"]) == (status, code), said
    return said


def test_an_audience_lives_from_its_first_rule_to_its_deletion(call: Call) -> None:
    made = answer(call("POST", "/audiences", json={"key": "pros", "name": "Pros", "rule": PRO}))
    assert {name: made[name] for name in made if name != "updated_at"} == {"key": "pros", "name": "Pros", "rule": PRO}
    assert answer(call("GET", "/audiences/pros")) == made
    assert answer(call("GET", "/audiences")) == {"audiences": [made], "next_cursor": None}
    refusal(call("POST", "/audiences", json={"key": "pros", "name": "Again", "rule": PRO}), 409, "key_taken")
    first = answer(call("GET", "/audiences/pros/users", query_string={"limit": "1"}))
    rest = answer(call("GET", "/audiences/pros/users", query_string={"cursor": first["next_cursor"]}))
    assert [user["username"] for user in first["users"] + rest["users"]] == ["user-0", "user-2"]
    changed = {"key": "pros", "name": "The rest", "rule": {"not": PRO}}
    assert answer(call("PUT", "/audiences/pros", json=changed))["rule"] == {"not": PRO}
    refusal(call("PUT", "/audiences/pros", json={**changed, "key": "other"}), 400, "invalid_request")
    other = {"key": "others", "name": "Others", "rule": {"kind": "audience", "key": "pros"}}
    answer(call("POST", "/audiences", json=other))
    page = answer(call("GET", "/audiences", query_string={"limit": "1"}))
    after = answer(call("GET", "/audiences", query_string={"cursor": page["next_cursor"]}))
    assert [row["key"] for row in page["audiences"] + after["audiences"]] == ["others", "pros"]
    assert "audience others" in refusal(call("DELETE", "/audiences/pros"), 409, "still_needed")["message"]
    assert answer(call("DELETE", "/audiences/others")) == {"deleted": "others"}
    assert answer(call("DELETE", "/audiences/pros")) == {"deleted": "pros"}
    for method, body in (("GET", None), ("DELETE", None), ("PUT", changed)):
        refusal(call(method, "/audiences/pros", json=body), 404, "not_found")


@pytest.mark.parametrize(
    ("rule", "users"),
    [(None, 3), (PRO, 2), ({"not": PRO}, 1), ({"all": [PRO, {"kind": "url", "op": "is", "value": "/"}]}, 2)],
)
def test_the_users_of_a_rule_are_counted(call: Call, rule: Any, users: int) -> None:
    assert answer(call("POST", "/audiences/count", json={"rule": rule})) == {"users": users}


def test_a_search_that_takes_too_long_says_so_and_when_to_come_again(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audiences, "FIND_WITHIN_S", 0.001)
    leaves = [{"kind": "event", "name": f"Paid {n}", "at_least": 3, "in_days": 7} for n in range(200)]
    reply = call("POST", "/audiences/count", json={"rule": {"any": leaves}})
    assert "was stopped" in refusal(reply, 503, "took_too_long")["message"]
    assert int(reply.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("rule", "code", "place"),
    [
        ({"all": [PRO, {"kind": "trait", "name": "a", "op": "greater", "value": "5"}]}, "invalid_request", "value"),
        ({"kind": "trait", "name": "a", "op": "is", "value": 2**53}, "invalid_request", "value"),
        ("pro", "invalid_request", "rule"),
        ({"kind": "audience", "key": "gone"}, "leads_nowhere", None),
        ({"kind": "content", "key": "gone", "state": "completed"}, "leads_nowhere", None),
        ({"kind": "audience", "key": "self"}, "endless_audience", None),
        ({"kind": "url", "op": "is", "value": "/"}, "audience_of_pages", None),
        ({"all": [PRO] * 201}, "invalid_request", "all"),
    ],
)
def test_a_rule_that_no_audience_can_have_is_refused(call: Call, rule: Any, code: str, place: str | None) -> None:
    said = refusal(call("POST", "/audiences", json={"key": "self", "name": "Self", "rule": rule}), 400, code)
    assert place is None or any(place in where for where in said["errors"])


def test_a_body_that_is_no_audience_is_refused_by_field(call: Call) -> None:
    said = refusal(call("POST", "/audiences", json={"key": "A b", "name": "", "more": 1}), 400, "invalid_request")
    assert set(said["errors"]) == {"key", "name", "rule", "more"}
