"""What a destination gets to read."""

import json
from typing import Any

import pytest

from productfruits.outgoing import bodies
from productfruits.outgoing.bodies import Body, BodyTooLarge

USER = {
    "id": "0",
    "username": "ada",
    "email": None,
    "traits": {"name": "<!channel> [x](http://evil.example) @everyone"},
}
EVENT = {"event": "Sold", "type": "track", "properties": {"price": 12.5, "items": [{"sku": "A"}]}}
DOCUMENT: dict[str, Any] = {
    "type": "event.stored",
    "timestamp": "2030-01-01T00:00:00.000Z",
    "workspace": "acme",
    "event": EVENT,
    "user": USER,
    "conflict": None,
    "message": {"type": "track", "messageId": "m"},
}


def written(kind: str, body: Body) -> Any:
    return json.loads(bodies.write(kind, body, DOCUMENT))


def test_an_event_as_it_is() -> None:
    assert written("generic", Body()) == {
        "type": "event.stored",
        "timestamp": "2030-01-01T00:00:00.000Z",
        "workspace": "acme",
        "data": {"event": EVENT, "user": USER},
    }


def test_chosen_fields_and_constants() -> None:
    fields = bodies.read(
        {
            "form": "fields",
            "fields": [
                {"name": "amount", "from": "event.properties.price"},
                {"name": "sku", "from": "event.properties.items.0.sku"},
                {"name": "nothing", "from": "event.properties.items.7.sku"},
                {"name": "nowhere", "from": "event.event.x"},
                {"name": "currency", "value": "EUR"},
                {"name": "null", "value": None},
            ],
        }
    )
    assert written("generic", fields) == {
        "amount": 12.5,
        "sku": "A",
        "nothing": None,
        "nowhere": None,
        "currency": "EUR",
        "null": None,
    }


def test_a_template() -> None:
    body = Body("template", template='{"text": "{{ user.username }} paid {{ event.properties.price }}"}')
    assert written("generic", body) == {"text": "ada paid 12.5"}


def test_a_message_for_people_calls_nobody_whatever_stands_in_a_trait() -> None:
    text = Body("text", template="*{{ user.traits.name }}* did {{ event.event }}")
    assert written("slack", text) == {"text": "*&lt;!channel&gt; [x](http://evil.example) @everyone* did Sold"}
    discord = written("discord", text)
    assert discord["allowed_mentions"] == {"parse": []}
    assert discord["content"].startswith("*\\<\\!channel\\> \\[x\\]\\(http://evil.example\\)")
    [attachment] = written("teams", text)["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert attachment["content"]["body"][0]["text"].endswith("@everyone* did Sold")


def test_segment_gets_the_message() -> None:
    assert written("segment", Body("segment")) == DOCUMENT["message"]


def test_a_body_has_a_limit() -> None:
    with pytest.raises(BodyTooLarge):
        bodies.write("generic", Body(), {**DOCUMENT, "event": {"properties": {"a": "x" * 300_000}}})
