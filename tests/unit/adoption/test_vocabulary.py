from productfruits.adoption import vocabulary


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
