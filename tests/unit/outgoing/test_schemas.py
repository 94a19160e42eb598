"""The shape of a destination, and the words in which it is refused."""

from typing import Any

import marshmallow
import pytest

from productfruits.outgoing.filters import Filter, is_adoption, read
from productfruits.outgoing.schemas import DestinationShape, stored_body

URL = {"name": "Hooks", "url": "https://hooks.example.com/x"}


def test_little_is_needed() -> None:
    loaded = DestinationShape().load(URL)
    assert loaded == {
        **URL,
        "kind": "generic",
        "method": "POST",
        "headers": {},
        "enabled": True,
        "filter": {"events": "all", "types": [], "names": [], "changes": [], "audiences": []},
        "body": {"form": "event"},
    }
    slack = DestinationShape().load({**URL, "kind": "slack"})
    assert slack["body"]["form"] == "text" and "{{" in slack["body"]["template"]


def test_segment_is_off_unless_somebody_says_so_and_knows_its_address() -> None:
    loaded = DestinationShape().load({"name": "Segment", "kind": "segment", "write_key": "abc"})
    assert (loaded["enabled"], loaded["url"]) == (False, "https://api.segment.io/v1")
    assert DestinationShape().load({"name": "S", "kind": "segment", "write_key": "abc", "enabled": True})["enabled"]


def test_fields_are_kept_as_they_were_written() -> None:
    fields = [{"name": "a", "from": "event.event"}, {"name": "b", "value": None}]
    loaded = DestinationShape().load({**URL, "body": {"form": "fields", "fields": fields}})
    assert stored_body(loaded["body"]) == {"form": "fields", "fields": fields}


@pytest.mark.parametrize(
    ("said", "where"),
    [
        ({"name": ""}, "name"),
        ({"url": "ftp://example.com/"}, "url"),
        ({"url": "https://user:pass@example.com/"}, "url"),
        ({"key": "No Spaces"}, "key"),
        ({"key": "import"}, "key"),
        ({"kind": "fax"}, "kind"),
        ({"method": "GET"}, "method"),
        ({"headers": {"X-A": "b\r\nc"}}, "headers"),
        ({"headers": {"Host": "b"}}, "headers"),
        ({"headers": {"webhook-id": "b"}}, "headers"),
        ({"headers": {"X-Productfruits-Depth": "0"}}, "headers"),
        ({"headers": {f"X-{n}": "a" for n in range(21)}}, "headers"),
        ({"write_key": "abc"}, "write_key"),
        ({"kind": "segment"}, "write_key"),
        ({"kind": "segment", "write_key": "a", "filter": {"changes": ["user.created"]}}, "filter"),
        ({"filter": {"events": "none"}}, "filter"),
        ({"filter": {"types": ["delete"]}}, "filter"),
        ({"filter": {"audience": 3}}, "filter"),
        ({"body": {"form": "text", "template": "x"}}, "body"),
        ({"body": {"form": "template"}}, "body"),
        ({"body": {"form": "template", "template": "{{ event"}}, "body"),
        ({"body": {"form": "event", "template": "x"}}, "body"),
        ({"body": {"form": "fields", "fields": [{"name": "a"}]}}, "body"),
        ({"body": {"form": "fields", "fields": [{"name": "a", "from": "b", "value": 1}]}}, "body"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_what_cannot_work_is_refused_where_it_stands(said: dict[str, Any], where: str) -> None:
    with pytest.raises(marshmallow.ValidationError) as refused:
        DestinationShape().load({**URL, **said})
    assert set(refused.value.messages_dict) == {where}


def test_a_filter_takes_what_it_says() -> None:
    adoption = Filter("adoption", names=frozenset(["Tour Started"]))
    assert adoption.takes("track", "Tour Started", is_adoption=True)
    assert not adoption.takes("track", "Tour Started", is_adoption=False)
    assert not adoption.takes("track", "Tour Completed", is_adoption=True)
    ours = {"source": "productfruits"}
    assert is_adoption("track", ours) and not is_adoption("page", ours) and not is_adoption("track", {})
    changes = read({"events": "none", "changes": ["user.created"]})
    assert changes.takes_change("user.created") and not changes.takes_change("user.deleted")
    assert not changes.takes("track", "Did", is_adoption=False)
