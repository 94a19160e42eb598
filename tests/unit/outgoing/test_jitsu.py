"""Jitsu's WebHook destination: what is JavaScript, what is a constant, and what is sent of both."""

import json
from collections.abc import Mapping
from typing import Any

import marshmallow
import pytest
import yaml

from productfruits.outgoing import jitsu
from productfruits.outgoing.jitsu import CannotEvaluate, NeedsFunctions, Written, script
from productfruits.outgoing.schemas import DestinationShape

URL = "https://hooks.example.com/x"
FILE = """
my_webhook:
  type: webhook
  mode: stream
  webhook:
    url: https://my_domain.example/notification # a comment
    method: POST
    body: |-
      {
        "user": _.user?.email,
        "time": _._timestamp
      }
    headers:
      authorization: token
      x-number: 3
  data_layout:
    table_name_template: '$.event_type' # optional
    mappings: {}
"""


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("https://a.example/x", None),
        ("https://a.example/?event.id=1&return=2", None),
        ("constant", None),
        ("", None),
        ("$.event_type", "return (\n$.event_type\n)"),
        ("event.event_type;", "return (\nevent.event_type\n)"),
        ("_.user?.email", "return (\n_.user?.email\n)"),
        ('$.event_type == "page" ? "" : "t"', 'return (\n$.event_type == "page" ? "" : "t"\n)'),
        ('{"user": _.user?.email}', 'return (\n{"user": _.user?.email}\n)'),
        ("`https://a.example/${_.event_type}`", "return (\n`https://a.example/${_.event_type}`\n)"),
        ("https://a.example/${_.event_type}", "return `https://a.example/${_.event_type}`"),
        ('{"a": [`x ${_.x}`]}', 'return (\n{"a": [`x ${_.x}`]}\n)'),
        ('{"a": 1, // one\n}', 'return (\n{"a": 1, // one\n}\n)'),
        ('{"a": ${_.x}}', 'return `{"a": ${_.x}}`'),
        ('["please return", _.x]', 'return (\n["please return", _.x]\n)'),
        ("a \\ ` ${_.x}", "return `a \\\\ \\` ${_.x}`"),
        ("return $.a", "return $.a"),
        ("// why\nif ($.a) return 1\nreturn 2", "// why\nif ($.a) return 1\nreturn 2"),
        ("(e) => e.a", "return (\n(e) => e.a\n)($)"),
        ("function (e) { return e.a }", "return (\nfunction (e) { return e.a }\n)($)"),
    ],
)
def test_javascript_is_told_from_a_constant(text: str, code: str | None) -> None:
    assert script(text) == code


def test_an_entry_of_a_file_is_read() -> None:
    [said] = yaml.safe_load(FILE).values()
    loaded = DestinationShape().load({"name": "a", **jitsu.load(said)})
    assert (loaded["url"], loaded["method"]) == ("https://my_domain.example/notification", "POST")
    assert loaded["headers"] == {"authorization": "token", "x-number": "3"}
    assert loaded["body"]["filter"] == "$.event_type"
    assert jitsu.load({"type": "webhook", "webhook": {"url": URL}})["method"] == "GET"
    assert jitsu.load({"type": "webhook", "config": {"url": URL}, "only_tokens": ["a"]})["url"] == URL


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"type": "postgres"}, "only `webhook`"),
        ({"mode": "batch"}, "knows `stream` only"),
        ({"webhook": {}}, "Missing data"),
        ({"webhook": {"url": URL, "method": "FETCH"}}, "One of GET"),
        ({"webhook": {"url": URL, "headers": {"Host": "x"}}}, "cannot be set"),
        ({"webhook": {"url": URL, "surprise": 1}}, "Unknown field"),
    ],
)
def test_what_cannot_work_is_refused_in_words(said: dict[str, Any], words: str) -> None:
    with pytest.raises(marshmallow.ValidationError) as refused:
        jitsu.load({"type": "webhook", "webhook": {"url": URL}, **said})
    assert words in json.dumps(refused.value.messages)


def written(values: Mapping[str, Any], text: Any = None, kept: str | None = None, url: str = URL) -> Written | None:
    """With an engine that knows the values of these scripts by name."""
    body = {"form": "jitsu", "text": text, "filter": kept}
    return jitsu.write("k", url, "POST", body, {}, lambda key, scripts, document: {n: values[n] for n in scripts})


def test_values_stand_where_their_scripts_stood() -> None:
    assert written({"url": "https://other.example/", "body": {"a": 1}}, "return {a: 1}", url="return $.u") == Written(
        "https://other.example/", "POST", b'{"a": 1}'
    )
    mixed = '{"who": "${_.user.name}", "plain": "$.a", "n": [1, "${_.x}!"]}'
    sent = written({"body.who": 'A"}', "body.n.1": "2!"}, mixed)
    assert sent is not None and json.loads(sent.body or b"") == {"who": 'A"}', "plain": "$.a", "n": [1, "2!"]}


@pytest.mark.parametrize(("value", "is_sent"), [("conversions", True), ("", False), (None, False), (False, False)])
def test_the_filter_leaves_events_out(value: Any, is_sent: bool) -> None:
    assert (written({"filter": value}, {}, "$.event_type") is not None) is is_sent


def test_a_constant_needs_nobody_and_a_script_somebody() -> None:
    body = {"form": "jitsu", "text": '{"a": [1]}', "filter": "events"}
    assert jitsu.write("k", URL, "POST", body, {}, None) == Written(URL, "POST", b'{"a": [1]}')
    assert jitsu.write("k", URL, "GET", {"form": "jitsu"}, {}, None) == Written(URL, "GET", None)
    with pytest.raises(NeedsFunctions, match="PRODUCTFRUITS_FUNCTIONS"):
        jitsu.write("k", "return $.u", "GET", {"form": "jitsu"}, {}, None)
    with pytest.raises(CannotEvaluate, match="did not become a text"):
        written({"url": 3}, url="return 3")
