"""Bodies by template: no value breaks out of its place, no template costs more than a little."""

import json
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from productfruits.outgoing.template import BadTemplate, check, render_json, render_text

VALUES: dict[str, Any] = {
    "event": {"name": "Tour Completed", "properties": {"price": 12.5, "tags": ["a", "b"], "paid": True}},
    "user": {"name": 'An"na\\', "email": None},
}


@pytest.mark.parametrize(
    ("template", "body"),
    [
        ('{"name": {{ event.name }}}', {"name": "Tour Completed"}),
        ('{"text": "{{ user.name }} did {{ event.name }}"}', {"text": 'An"na\\ did Tour Completed'}),
        ('{"price": {{ event.properties.price }}}', {"price": 12.5}),
        (
            '{"paid": {{ event.properties.paid }}, "as text": "{{ event.properties.paid }}"}',
            {"paid": True, "as text": "true"},
        ),
        ('{"all": {{ event.properties }}}', {"all": VALUES["event"]["properties"]}),
        (
            '{"none": {{ user.no.where }}, "null": {{ user.email }}, "": "{{ user.email }}"}',
            {"none": None, "null": None, "": ""},
        ),
        ('{"or": {{ user.email | default: user.name }}}', {"or": 'An"na\\'}),
        (
            "[{% for t in event.properties.tags %}{{ t }}{% unless forloop.last %},{% endunless %}{% endfor %}]",
            ["a", "b"],
        ),
        ('{"packed": {{ event.properties | json }}}', {"packed": VALUES["event"]["properties"]}),
        ('{"in a text": "{{ event.properties.tags | json }}"}', {"in a text": '["a", "b"]'}),
        ('{% capture who %}{{ user.name }}!{% endcapture %}{"who": {{ who }}}', {"who": 'An"na\\!'}),
        ('{"echo": {% echo user.name %}}', {"echo": 'An"na\\'}),
        ('{"quoted \\" {{ user.name }}": 1}', {'quoted " An"na\\': 1}),
        ('["{{ event.name | upcase }}", {{ event.properties.price | times: 2 }}]', ["TOUR COMPLETED", 25.0]),
        ("{{ event.name }}", "Tour Completed"),
    ],
)
def test_a_value_becomes_json_where_it_is_put(template: str, body: Any) -> None:
    assert json.loads(render_json(template, VALUES)) == body


@hypothesis.settings(max_examples=50)
@given(st.text(), st.text())
def test_no_text_breaks_out_of_its_place(first: str, second: str) -> None:
    template = '{"outside": {{ a }}, "inside": "<{{ a }}|{{ b }}>", "after": {{ b }}}'
    try:
        body = render_json(template, {"a": first, "b": second})
    except UnicodeEncodeError:  # lone surrogates never get past intake
        return
    assert json.loads(body) == {"outside": first, "inside": f"<{first}|{second}>", "after": second}


@pytest.mark.parametrize(
    "payload",
    ["{{ 7 | times: 7 }}", "{% include 'x' %}", "${7*7}", "{{7*7}}", "<%= 7*7 %>", '", "admin": true, "x": "'],
)
def test_a_template_inside_a_value_stays_text(payload: str) -> None:
    assert json.loads(render_json('{"v": "{{ v }}", "w": {{ v }}}', {"v": payload})) == {"v": payload, "w": payload}


@pytest.mark.parametrize(
    "template",
    [
        *("{{ event.name", "{% if %}", "{% nothing %}", "{% include 'x' %}", "{% render 'x' %}", "{{ x | nofilter }}"),
        *(
            '{"a": }',
            '{"a": {{ event.name }}',
            "",
            "{{ event.name }} {{ event.name }}",
            '{"a": "{{ event.name }}}',
            "NaN",
        ),
        "{" * 20_000,
        *(
            "[" * 16_000,
            "{% for i in (1..100000000) %}x{% endfor %}",
            "{{ (1..100000000) | join }}",
            '{{ "a" | divided_by: 0 }}',
        ),
        '{% assign s = "aaaaaaaa" %}{% for i in (1..60) %}{% assign s = s | append: s %}{% endfor %}{{ s }}',
        '{% for i in (1..5000) %}"' + "a" * 100 + '"{% endfor %}',
        "{% assign s = event.name %}{% for i in (1..9) %}{% assign s = s | replace: '', '"
        + "b" * 9_000
        + "' %}{% endfor %}",
        "{% if a %}" * 200 + "{% endif %}" * 200,
    ],
)
def test_what_cannot_become_a_body_is_refused_in_words(template: str) -> None:
    with pytest.raises(BadTemplate) as refused:
        render_json(template, VALUES)
    assert str(refused.value).endswith((".", "quotes."))


def test_a_template_is_checked_without_an_event() -> None:
    check('{"a": {{ event.name }}}')
    with pytest.raises(BadTemplate):
        check("{{ event.name")


def test_text_escapes_values_and_leaves_the_template_alone() -> None:
    shown = render_text("<b>{{ name }}</b>", {"name": "<!channel>"}, lambda text: text.replace("<", "&lt;"))
    assert shown == "<b>&lt;!channel></b>"
