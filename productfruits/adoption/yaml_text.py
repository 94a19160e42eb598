"""Documents as YAML that people keep in git: every value knows its line, and what is written is read back the same.

Only what JSON can say is YAML here, by the rules of YAML 1.2: `on`, `no` and 2030-01-01 are text, and nothing is made
of tags. PyYAML follows 1.1, so it gets resolvers of its own.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from productfruits.adoption.documents import Document, Path
from productfruits.errors import ProductFruitsError

_TAG = "tag:yaml.org,2002:"
#: More digits than any number here has; longer ones are text.
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,99})\Z")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)?(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?\Z")
_ODD = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_RESOLVERS: Final = (
    ("null", re.compile(r"(~|null|Null|NULL|)\Z"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"(true|True|TRUE|false|False|FALSE)\Z"), list("tTfF")),
    ("int", _INTEGER, list("-+0123456789")),
    ("float", _FLOAT, list("-+.0123456789")),
)


class NotYaml(ProductFruitsError):
    """The file is not YAML that can be used here."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Read:
    """What a file says, and at which line each part of it stands, from 1."""

    value: Any
    lines: Mapping[Path, int]

    def line(self, path: Path) -> int:
        """The line of what stands at `path`, or of the nearest part around it."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]


class _Loader(yaml.SafeLoader):
    """Composes nodes, which know their lines; makes no objects, and knows no anchors."""

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise NotYaml(event.start_mark.line + 1, "Anchors and aliases are not used here; write the text again.")
        composed: Node | None = super().compose_node(parent, index)
        return composed


class _Dumper(yaml.SafeDumper):
    """Keeps lists below their key indented, and texts of several lines as blocks."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


for _kind in (_Loader, _Dumper):
    _kind.yaml_implicit_resolvers = {}
    for _name, _pattern, _first in _RESOLVERS:
        _kind.add_implicit_resolver(_TAG + _name, _pattern, _first)


def read(text: str) -> Read:
    """The value of one YAML document with the lines of its parts, or `NotYaml`."""
    try:
        node = yaml.compose(text, _Loader)
        if node is None:
            raise NotYaml(1, "The file is empty.")
        lines: dict[Path, int] = {}
        return Read(_value(node, (), lines), lines)
    except yaml.MarkedYAMLError as err:
        mark = err.problem_mark or err.context_mark
        raise NotYaml(mark.line + 1 if mark else 1, f"This is not YAML: {err.problem or err.context}.") from err
    except yaml.reader.ReaderError as err:
        line = text.count("\n", 0, err.position) + 1
        raise NotYaml(line, "There is a control character, which YAML does not allow.") from err
    except RecursionError as err:
        raise NotYaml(1, "The file is nested too deeply.") from err


def write(document: Document) -> str:
    """The document as YAML that differs from one version to the next only where the document does."""
    return str(
        yaml.dump(_blocks(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=math.inf, indent=2)
    )


def _value(node: Node, path: Path, lines: dict[Path, int]) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, MappingNode) and node.tag == _TAG + "map":
        return dict(_members(node, path, lines))
    if isinstance(node, SequenceNode) and node.tag == _TAG + "seq":
        return [_value(inner, (*path, index), lines) for index, inner in enumerate(node.value)]
    if isinstance(node, ScalarNode):
        return _scalar(node)
    raise NotYaml(node.start_mark.line + 1, f"The tag {node.tag} is not used here.")


def _members(node: MappingNode, path: Path, lines: dict[Path, int]) -> Iterator[tuple[str, Any]]:
    seen: set[str] = set()
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, ScalarNode):
            raise NotYaml(line, "A key is text.")
        # Whatever YAML takes a key for, it is the text that stands there.
        name = _storable(str(key.value))
        if name in seen:
            raise NotYaml(line, f"The key {name} stands here twice.")
        seen.add(name)
        lines[(*path, name)] = line
        yield name, _value(value, (*path, name), lines)


def _scalar(node: ScalarNode) -> Any:
    text = str(node.value)
    match node.tag.removeprefix(_TAG):
        case "str":
            return _storable(text)
        case "null" if _RESOLVERS[0][1].match(text):
            return None
        case "bool" if _RESOLVERS[1][1].match(text):
            return text.lower() == "true"
        case "int" if _INTEGER.match(text):
            return int(text)
        case "float" if _FLOAT.match(text) and not math.isinf(float(text)):
            return float(text)
    raise NotYaml(node.start_mark.line + 1, f"{text} cannot be used as {node.tag}.")


def _storable(text: str) -> str:
    """NUL and lone surrogates, which escapes can write and no store takes, become U+FFFD as everywhere."""
    return text.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class _Block(str):
    """A text to be written over several lines."""


class _Plain(str):
    """A text that other readers would take for something else, so it is written in quotes."""


class _Escaped(str):
    """A text with characters that YAML takes for ends of lines, or not at all."""


def _blocks(value: Any) -> Any:
    if isinstance(value, dict):
        # Documents keep `body` without the newline at its end; with it the block needs no sign that there is none.
        return {
            name: _blocks(inner + "\n" if name == "body" and "\n" in inner else inner) for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_blocks(inner) for inner in value]
    if isinstance(value, str):
        if _ODD.search(value):
            return _Escaped(value)
        if "\n" in value:
            return _Block(value)
        return _Plain(value) if _means_more_elsewhere(value) else value
    return value


def _means_more_elsewhere(text: str) -> bool:
    """True for yes, 012, 2030-01-01 and the like, which are no text for readers of YAML 1.1."""
    patterns = yaml.SafeLoader.yaml_implicit_resolvers.get(text[:1], [])
    return any(pattern.match(text) for _, pattern in patterns)


def _represent(style: str) -> Any:
    def represent(dumper: yaml.SafeDumper, text: str) -> ScalarNode:
        return dumper.represent_scalar(_TAG + "str", str(text), style=style)

    return represent


_Dumper.add_representer(_Block, _represent("|"))
_Dumper.add_representer(_Plain, _represent("'"))
_Dumper.add_representer(_Escaped, _represent('"'))
