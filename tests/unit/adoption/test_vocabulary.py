import re

from productfruits.adoption import vocabulary
from productfruits.config import PACKAGE


def test_every_name_is_the_raw_name_in_title_case() -> None:
    for raw, event in vocabulary.EVENTS.items():
        assert event.name == raw.replace("_", " ").title()
        assert raw.startswith(f"{event.of}_")


def test_exactly_completed_and_dismissed_end_a_session() -> None:
    ends = {raw: event.ends for raw, event in vocabulary.EVENTS.items() if event.ends}
    assert ends == {f"{kind}_{state}": state for kind in ("tour", "checklist") for state in ("completed", "dismissed")}


def test_own_properties_never_repeat_a_common_one() -> None:
    for event in vocabulary.EVENTS.values():
        assert not set(event.properties) & set(vocabulary.COMMON)
        assert len(set(event.properties)) == len(event.properties)


def test_the_documentation_lists_every_event_with_its_properties_in_order() -> None:
    text = (PACKAGE.parent / "docs" / "events.md").read_text()
    rows = re.findall(r"^\| ([A-Z][A-Za-z ]+) \| `([a-z_]+)` \| (.*) \|$", text, re.MULTILINE)
    documented = [(name, raw, tuple(re.findall(r"`(\w+)`", properties))) for name, raw, properties in rows]
    assert documented == [(event.name, event.raw, event.properties) for event in vocabulary.EVENTS.values()]
    common = text.partition("## Properties of every event")[2].partition("\n## ")[0]
    named = [
        name for row in re.findall(r"^\| (`.*?`) \|", common, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    ]
    assert sorted(named) == sorted(vocabulary.COMMON)
    for values in (vocabulary.START_REASONS, vocabulary.END_REASONS, vocabulary.ITEM_WAYS):
        assert ", ".join(f"`{value}`" for value in values) in text
