"""Bodies by template: Liquid (https://shopify.github.io/liquid) in which no value can break out of its place.

In a JSON template every value that is put in is written as JSON: `{{ event.properties.price }}` becomes a number, a
text gets its quotes; between quotes only the inside of the text is put in, escaped. So `"Hello {{ user.name }}"` does
what people mean, and a trait full of quotes and braces stays a text. The result must be JSON.

Templates are written by admins, values by whoever sends events; neither may cost more than a little time and memory.
"""

import functools
import json
from collections.abc import Callable, Mapping
from io import StringIO
from typing import Any, TextIO

from liquid import Environment, RenderContext
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.echo_tag import EchoNode, EchoTag
from liquid.exceptions import LiquidError
from liquid.output import LimitedStringIO
from liquid.template import BoundTemplate
from liquid.undefined import Undefined

from productfruits.errors import ProductFruitsError

MAX_TEMPLATE = 16_384
MAX_BODY = 262_144
LOOPS = 5_000
#: Tags that read other templates, write HTML, or write values past the escaping below.
_WITHOUT = ("include", "render", "tablerow", "cycle", "ifchanged", "increment", "decrement", "doc")

#: Makes a value safe for where it is put: `inside` is True between the quotes of a JSON text.
Encode = Callable[[object, bool], str]


class BadTemplate(ProductFruitsError):
    """This template cannot be used."""


class Encoded(str):
    """Text that is JSON already."""


class _Body(LimitedStringIO):
    """The body being written. Knows whether it stands between the quotes of a JSON text."""

    def __init__(self) -> None:
        super().__init__(MAX_BODY)
        self.inside = False
        self._escaped = False

    def write(self, text: str) -> int:
        for character in text:
            if self._escaped:
                self._escaped = False
            elif character == '"':
                self.inside = not self.inside
            else:
                self._escaped = self.inside and character == "\\"
        return super().write(text)


def check(template: str) -> None:
    """Raise `BadTemplate` when Liquid cannot read the template."""
    _parse(template, _as_json)


def render_json(template: str, values: Mapping[str, Any]) -> bytes:
    """The body as UTF-8, always one JSON document. Raises `BadTemplate`."""
    text = _render(template, values, _as_json)
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as err:
        raise BadTemplate("What the template makes of this event is nested too deeply.") from err
    except ValueError as err:
        place = f" (line {err.lineno}, column {err.colno})" if isinstance(err, json.JSONDecodeError) else ""
        raise BadTemplate(
            f"What the template makes of this event is not JSON{place}. Look for a missing comma or quote; values "
            "bring their own quotes where they do not stand between quotes."
        ) from err
    return text.encode()


def render_text(template: str, values: Mapping[str, Any], escape: Callable[[str], str]) -> str:
    """The text, with every value that is put in escaped by `escape`. Raises `BadTemplate`."""
    return _render(template, values, _escaped_by(escape))


def as_json(value: object) -> str:
    """A value of an event or a template as JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)


def _render(template: str, values: Mapping[str, Any], encode: Encode) -> str:
    try:
        return _parse(template, encode).render(values)
    except BadTemplate:
        raise
    except LiquidError as err:
        raise BadTemplate(f"The template failed on this event: {_words(err)}.") from err
    except Exception as err:  # whatever filters make of values that somebody sent
        raise BadTemplate(
            "The template failed on this event: a filter cannot work with the value it was given."
        ) from err


@functools.lru_cache(maxsize=256)
def _parse(template: str, encode: Encode) -> BoundTemplate:
    if len(template) > MAX_TEMPLATE:
        raise BadTemplate(f"The template is longer than {MAX_TEMPLATE} characters.")
    try:
        return _environment(encode).from_string(template)
    except LiquidError as err:
        raise BadTemplate(f"The template cannot be read: {_words(err)}.") from err
    except RecursionError as err:
        raise BadTemplate("The template is nested too deeply.") from err


def _words(err: LiquidError) -> str:
    return " ".join(str(err.message or type(err).__name__).split())


class _Template(BoundTemplate):
    def _get_buffer(self) -> StringIO:
        return _Body()


class _Environment(Environment):
    loop_iteration_limit = LOOPS
    local_namespace_limit = MAX_BODY
    output_stream_limit = MAX_BODY
    template_class = _Template
    encode: Encode


def _put(node: OutputNode, context: RenderContext, buffer: TextIO) -> int:
    """Write a value where it belongs; into a variable (capture) as it is, to be encoded when that is put in."""
    value = node.expression.evaluate(context)
    if isinstance(buffer, _Body) and isinstance(context.env, _Environment):
        return buffer.write(context.env.encode(value, buffer.inside))
    return buffer.write(_plain(value))


class _OutputNode(OutputNode):
    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        return _put(self, context, buffer)


class _EchoNode(EchoNode):
    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        return _put(self, context, buffer)


class _Output(Output):
    node_class = _OutputNode


class _EchoTag(EchoTag):
    node_class = _EchoNode


@functools.cache
def _environment(encode: Encode) -> _Environment:
    environment = _Environment()
    environment.encode = encode
    for name in _WITHOUT:
        del environment.tags[name]
    environment.add_tag(_Output)
    environment.add_tag(_EchoTag)
    environment.filters |= {name: _bounded(name, each) for name, each in environment.filters.items()}
    environment.add_filter("json", lambda value: Encoded(as_json(_value(value))))
    return environment


def _bounded(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    """The filter, refusing what would make it write more than a body may hold."""

    @functools.wraps(work)
    def bounded(left: Any, *arguments: Any, **named: Any) -> Any:
        if isinstance(left, range) and len(left) > LOOPS:
            raise BadTemplate(f"The template goes over more than {LOOPS} numbers.")
        if name == "replace" and isinstance(left, str) and arguments:
            pattern, new = str(arguments[0]), str(arguments[1]) if len(arguments) > 1 else ""
            hits = left.count(pattern) if pattern else len(left) + 1
            if len(left) + hits * max(0, len(new) - len(pattern)) > MAX_BODY:
                raise BadTemplate(f"The template makes a text of more than {MAX_BODY} characters.")
        result = work(left, *arguments, **named)
        if isinstance(result, str | list) and len(result) > MAX_BODY:
            raise BadTemplate(f"The template makes a text of more than {MAX_BODY} characters.")
        return result

    return bounded


def _as_json(value: object, inside: bool) -> str:
    if inside:
        return as_json(_plain(value))[1:-1]
    return value if isinstance(value, Encoded) else as_json(_value(value))


@functools.cache
def _escaped_by(escape: Callable[[str], str]) -> Encode:
    return lambda value, inside: escape(_plain(value))


def _plain(value: object) -> str:
    """A value as people read it."""
    value = _value(value)
    if value is None:
        return ""
    return str(value) if isinstance(value, str) else as_json(value)


def _value(value: object) -> object:
    """What a template computed, as JSON knows it: what is not there is null."""
    if isinstance(value, Undefined):
        return None
    return list(value) if isinstance(value, range) else value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
