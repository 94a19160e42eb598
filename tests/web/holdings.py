"""What a workspace holds, read through its API and held against the expectations of tests/fixtures/segment."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

#: Asks the API: path and query -> document.
Get = Callable[[str], Any]


def compare(get: Get, expected: dict[str, Any]) -> None:
    """What the workspace holds is what was expected of it, as tests/fixtures/segment/README.md reads."""
    held = found(get)
    for key in ("identified_users", "stored_messages", "messages_by_type"):
        if key in expected:
            assert (key, held[key]) == (key, expected[key])
    assert len(held["users"]) == len(expected["users"])
    for wanted in expected["users"]:
        user = next(user for user in held["users"] if user["username"] == wanted["username"])
        assert (user["email"] or "").casefold() == (wanted["email"] or "").casefold()
        free = {*wanted.get("null_or_absent_traits", ()), *wanted.get("optional_traits", ()), "email", "Email"}
        assert {key: value for key, value in user["traits"].items() if key not in free} == {
            key: value for key, value in wanted["traits"].items() if key not in free
        }
        assert (user["messages"], user["track_events"]) == (wanted["messages"], wanted["track_events"])
        for name in wanted.get("also_known_as", ()):
            by_name = get(f"/api/v1/users?username={quote(name)}")["users"]
            assert name in user["also_known_as"] or [each["id"] for each in by_name] == [user["id"]]
    for group_id, wanted in expected.get("groups", {}).items():
        group = get(f"/api/v1/groups/{quote(group_id, safe='')}")
        assert (group["group_id"], group["traits"]) == (group_id, wanted["traits"])
        assert sorted(group["members"]) == sorted(wanted["members"])
    conflicts = get("/api/v1/conflicts")["conflicts"]
    assert len(conflicts) == expected.get("conflicts", len(conflicts))


def found(get: Get) -> dict[str, Any]:
    """Everything the workspace holds, in the words of the expectations."""
    stats = get("/api/v1/stats")
    return {
        "identified_users": stats["users"],
        "users": [_user(get, user) for user in get("/api/v1/users?limit=100")["users"]],
        "stored_messages": stats["events"],
        "messages_by_type": stats["events_by_type"],
    }


def _user(get: Get, user: dict[str, Any]) -> dict[str, Any]:
    events = get(f"/api/v1/users/{user['id']}/events?limit=100")["events"]
    return {
        "id": user["id"],
        "email": user["email"],
        "username": user["username"],
        "traits": {key: value for key, value in user["traits"].items() if value is not None},
        "messages": len(events),
        "track_events": len([event for event in events if event["type"] == "track"]),
        "also_known_as": {alias["value"] for alias in user["aliases"]},
    }
