"""The two forms in which Jitsu's configurations read an event."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from productfruits.segment.jitsu import jitsu1, jitsu2

TRACK = {
    "type": "track",
    "event": "conversion",
    "messageId": "m1",
    "timestamp": "2026-01-01T00:00:00.000Z",
    "userId": "u1",
    "anonymousId": "a1",
    "properties": {"conversion": {"order_id": 7}, "event_type": "mine", "library": "mine", "url": "mine"},
    "context": {
        "page": {"url": "https://shop.example:81/a?b=c", "path": "/a", "search": "?b=c", "title": "A", "referrer": "r"},
        "campaign": {"source": "news", "name": "autumn", "content": "c"},
        "traits": {"email": "u1@example.com", "id": "of a trait"},
        "userAgent": "Mozilla",
        "locale": "cs-CZ",
        "ip": "192.0.2.1",
        "library": {"name": "analytics.js"},
        "timezone": "Europe/Prague",
    },
}
ABOUT = {
    "user": {"id": "u1", "email": "u1@example.com", "anonymous_id": "a1"},
    "ids": {"ajs_user_id": "u1", "ajs_anonymous_id": "a1"},
    "user_agent": "Mozilla",
    "user_language": "cs-CZ",
    "source_ip": "192.0.2.1",
    "doc_host": "shop.example:81",
    "doc_url": "https://shop.example:81/a?b=c",
    "doc_path": "/a",
    "doc_search": "?b=c",
    "doc_title": "A",
    "doc_referrer": "r",
    "url": "https://shop.example:81/a?b=c",
    "page_title": "A",
    "referer": "r",
    "utm_source": "news",
    "utm_campaign": "autumn",
    "utm_content": "c",
}
ROOT = {
    "event_type": "conversion",
    "event": "conversion",
    "_timestamp": "2026-01-01T00:00:00.000Z",
    "src": "segment_api",
    "conversion": {"order_id": 7},
    "library": "mine",
    "timezone": "Europe/Prague",
}


def test_the_new_form_has_all_at_the_root_and_its_own_keys_win() -> None:
    assert jitsu2(TRACK) == {**ROOT, **ABOUT, "eventn_ctx_event_id": "m1"}


def test_the_old_form_has_who_and_where_in_a_place_of_its_own() -> None:
    assert jitsu1(TRACK) == {**ROOT, "url": "mine", "eventn_ctx": {**ABOUT, "event_id": "m1"}}


def test_what_is_known_of_the_user_stands_below_what_the_message_says() -> None:
    known = {"id": "u1-now", "email": "old@example.com", "plan": "pro"}
    event: dict[str, Any] = {"type": "identify", "traits": {"email": "new@example.com", "id": "x", "anonymous_id": "y"}}
    assert jitsu2(event, known)["user"] == {
        "id": "u1-now",
        "email": "new@example.com",
        "plan": "pro",
        "anonymous_id": "y",
    }
    assert jitsu2({**event, "userId": "u1", "anonymousId": "a1"}, known)["user"]["id"] == "u1"
    assert jitsu2({**event, "userId": "u1", "anonymousId": "a1"}, known)["user"]["anonymous_id"] == "a1"


@pytest.mark.parametrize("kind", ["identify", "page", "screen", "group", "alias"])
def test_other_types_are_called_by_their_type(kind: str) -> None:
    form = jitsu2({"type": kind, "name": "Home"})
    assert (form["event_type"], form["name"]) == (kind, "Home")


def test_a_groups_traits_are_the_groups() -> None:
    form = jitsu2({"type": "group", "groupId": "g1", "userId": "u1", "traits": {"email": "g@example.com", "id": "x"}})
    assert form["group"] == {"email": "g@example.com", "id": "g1"}
    assert form["user"] == {"id": "u1"}


anything = st.none() | st.integers() | st.text(max_size=3) | st.just("http://[") | st.lists(st.none(), max_size=1)
table = st.dictionaries(
    st.sampled_from(["page", "campaign", "traits", "url", "name", "id", "ip"]), anything, max_size=4
)


@given(
    st.dictionaries(
        st.sampled_from(["type", "event", "name", "userId", "traits", "properties", "context", "messageId"]),
        anything | table | st.dictionaries(st.sampled_from(["page", "campaign", "traits"]), table, max_size=3),
    )
)
def test_every_message_has_both_forms(event: dict[str, Any]) -> None:
    for form in (jitsu1(event), jitsu2(event)):
        assert {"event_type", "_timestamp", "src"} <= form.keys()
