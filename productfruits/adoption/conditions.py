"""What a rule is made of, frozen: what holds conditions together, the conditions, and the rule around them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class All:
    """Every one of these."""

    nodes: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Any_:
    """At least one of these."""

    nodes: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    node: "Node"


@dataclass(frozen=True, slots=True)
class Trait:
    """A trait of the user; the e-mail, which is kept apart, is a computed field by then."""

    name: str
    op: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class Computed:
    """What the store knows of every user: e-mail, username, first and last sighting, visits."""

    name: str
    op: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class InGroup:
    """In a group, in this group, or in one (this one) whose trait compares."""

    group_id: str | None = None
    name: str | None = None
    op: str | None = None
    value: Any = None


@dataclass(frozen=True, slots=True)
class Happened:
    """An event, so often: at least, at most, or between."""

    name: str
    at_least: int
    at_most: int | None = None
    in_days: int | None = None


@dataclass(frozen=True, slots=True)
class InState:
    """Another content is in this state for the user."""

    key: str
    state: str


@dataclass(frozen=True, slots=True)
class InAudience:
    key: str


@dataclass(frozen=True, slots=True)
class Url:
    op: str
    value: str


@dataclass(frozen=True, slots=True)
class Element:
    selector: str
    present: bool


@dataclass(frozen=True, slots=True)
class Language:
    value: str


@dataclass(frozen=True, slots=True)
class DeviceWidth:
    op: str
    value: int


StoreLeaf = Trait | Computed | InGroup | Happened | InState | InAudience
PageLeaf = Url | Element | Language | DeviceWidth
Leaf = StoreLeaf | PageLeaf
Node = All | Any_ | Not | Leaf
PAGE_LEAVES = (Url, Element, Language, DeviceWidth)


@dataclass(frozen=True, slots=True)
class Rule:
    """A checked rule. `document` is what was written, for whoever shows or stores it; None: everybody."""

    root: Node
    document: Mapping[str, Any] | None = field(default=None, compare=False)

    def leaves(self) -> Iterator[Leaf]:
        """Every condition, those behind audiences not among them."""
        return _leaves(self.root)

    def audiences(self) -> set[str]:
        """The keys of the audiences it refers to."""
        return {leaf.key for leaf in self.leaves() if isinstance(leaf, InAudience)}

    def contents(self) -> set[str]:
        """The keys of the contents it refers to."""
        return {leaf.key for leaf in self.leaves() if isinstance(leaf, InState)}

    def asks_the_page(self) -> bool:
        """Tell whether a condition can only be answered in the browser."""
        return any(isinstance(leaf, PAGE_LEAVES) for leaf in self.leaves())


def _leaves(node: Node) -> Iterator[Leaf]:
    match node:
        case All(nodes) | Any_(nodes):
            for each in nodes:
                yield from _leaves(each)
        case Not(inner):
            yield from _leaves(inner)
        case _:
            yield node
