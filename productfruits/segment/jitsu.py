"""A message in the two forms that Jitsu's configurations speak of, so that what was written for Jitsu reads our events.

    Segment                              2.0, at the root        1.0, under `eventn_ctx`
    messageId                            eventn_ctx_event_id     event_id
    userId, anonymousId, traits          user{id, email, anonymous_id, ...}, ids{ajs_user_id, ajs_anonymous_id}
    groupId, traits of a group           group{id, ...}
    context.page                         doc_host, doc_path, doc_search, ... with url, page_title, referer
    context.campaign                     utm_source, utm_medium, utm_campaign, utm_term, utm_content, ...
    context.userAgent, locale, ip        user_agent, user_language, source_ip

At the root of both: `event_type` (the event's name for track, else the type), `event` or `name`, `_timestamp`, `src`,
the properties, and what else the context holds. Where names meet, the keys above win over properties, and properties
over the rest of the context.
Source: the mappings of Jitsu's Segment endpoints, and the events of its JavaScript SDK.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

NOBODY: Mapping[str, Any] = {}
SOURCE = "segment_api"
#: Parts of the context that have a place of their own; the others go to the root.
_PLACED = frozenset({"page", "campaign", "traits", "userAgent", "locale", "ip"})
_UTM = {"name": "campaign"}


def jitsu2(event: Mapping[str, Any], user: Mapping[str, Any] = NOBODY) -> dict[str, Any]:
    """The Jitsu 2.0 form of a message in Segment's form.

    `user` is what is known beside the message about who sent it: `id`, `email` and traits at one level, as in the
    result. What the message says itself wins.
    """
    return {
        **_loose(event),
        **_about(event, user),
        **_head(event),
        **_given(eventn_ctx_event_id=event.get("messageId")),
    }


def jitsu1(event: Mapping[str, Any], user: Mapping[str, Any] = NOBODY) -> dict[str, Any]:
    """The Jitsu 1.0 ("compat") form of a message in Segment's form; `user` as for `jitsu2`."""
    about = {**_about(event, user), **_given(event_id=event.get("messageId"))}
    return {**_loose(event), **_head(event), "eventn_ctx": about}


def _head(event: Mapping[str, Any]) -> dict[str, Any]:
    """What stands at the root in both forms."""
    kind = event.get("type")
    name = event.get("event") if kind == "track" else event.get("name")
    return {
        "event_type": (kind == "track" and name) or kind,
        "_timestamp": event.get("timestamp"),
        "src": SOURCE,
        **_given(**{"event" if kind == "track" else "name": name}),
    }


def _loose(event: Mapping[str, Any]) -> dict[str, Any]:
    """What has no place of its own: the rest of the context, and the properties."""
    context = _table(event.get("context"))
    return {**{key: value for key, value in context.items() if key not in _PLACED}, **_table(event.get("properties"))}


def _about(event: Mapping[str, Any], user: Mapping[str, Any]) -> dict[str, Any]:
    """Who, where and with what: the part that moves under `eventn_ctx` in the old form."""
    context = _table(event.get("context"))
    user_id, anonymous_id = event.get("userId"), event.get("anonymousId")
    traits = _table(event.get("traits"))
    said = {**_table(context.get("traits")), **(traits if event.get("type") == "identify" else {})}
    about: dict[str, Any] = {
        "user": {**user, **said, **_given(id=user_id or user.get("id"), anonymous_id=anonymous_id)},
        "ids": _given(ajs_user_id=user_id, ajs_anonymous_id=anonymous_id),
        **_given(
            user_agent=context.get("userAgent"),
            user_language=context.get("locale"),
            source_ip=context.get("ip"),
            previous_id=event.get("previousId"),
        ),
        **_page(_table(context.get("page"))),
    }
    for key, value in _table(context.get("campaign")).items():
        about[f"utm_{_UTM.get(key, key)}"] = value
    if event.get("type") == "group":
        about["group"] = {**traits, **_given(id=event.get("groupId"))}
    return about


def _page(page: Mapping[str, Any]) -> dict[str, Any]:
    url = page.get("url")
    return {
        **_given(doc_host=_host(url)),
        **{f"doc_{key}": value for key, value in page.items()},
        **_given(url=url, page_title=page.get("title"), referer=page.get("referrer")),
    }


def _host(url: Any) -> str | None:
    try:
        return urlsplit(url).netloc or None if isinstance(url, str) else None
    except ValueError:  # half an IPv6 address, say
        return None


def _given(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else NOBODY
