"""A user as Product Fruits' snippet and REST API describe one, as messages of Segment.

`{"username", "email", "firstname", "lastname", "signUpAt", "role", "props": {…}, "group": {"groupId", "props": {…}}}`.
What is custom goes into `props` there, and is a trait like any other here; a named key wins over one in `props`.
"""

from collections.abc import Mapping
from typing import Any

#: The keys that are traits by themselves.
NAMED = ("email", "firstname", "lastname", "signUpAt", "role")


def traits(user: Mapping[str, Any]) -> dict[str, Any]:
    """The traits of a user; a null clears one, as everywhere."""
    return {**_table(user.get("props")), **{name: user[name] for name in NAMED if name in user}}


def identifying(user: Mapping[str, Any], message_id: str | None = None) -> list[dict[str, Any]]:
    """The identify of a user, and the group call if a group is named."""
    messages: list[dict[str, Any]] = [
        {"type": "identify", "messageId": message_id, "userId": user.get("username"), "traits": traits(user)}
    ]
    group = _table(user.get("group"))
    if group.get("groupId") is not None:
        messages.append(
            {
                "type": "group",
                "messageId": message_id and f"{message_id}:group",
                "userId": user.get("username"),
                "groupId": group["groupId"],
                "traits": _table(group.get("props")),
            }
        )
    return messages


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
