"""The schemas as documentation: every message type, every key it has, in words."""

import pytest
from marshmallow import ValidationError

from productfruits.segment import schemas


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("identify", {"traits"}),
        ("track", {"event", "properties"}),
        ("page", {"name", "category", "properties"}),
        ("screen", {"name", "category", "properties"}),
        ("group", {"groupId", "traits"}),
        ("alias", {"previousId"}),
        ("delete", set()),
    ],
)
def test_it_documents_every_key_of_every_type(kind: str, keys: set[str]) -> None:
    fields = {field.data_key or name: field for name, field in schemas.BY_TYPE[kind].fields.items()}
    assert set(fields) == {"type", "messageId", "userId", "anonymousId", "timestamp", "context", *keys}
    assert all(field.metadata["description"].endswith(".") for field in fields.values())
    assert (type(schemas.BY_TYPE[kind]).__doc__ or "").strip().endswith(".")


def test_it_has_a_schema_for_every_type() -> None:
    assert tuple(schemas.BY_TYPE) == schemas.TYPES


@pytest.mark.parametrize("event", [{}, {"type": None}, {"type": 7}])
def test_it_words_a_missing_type_like_the_messages_do(event: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        schemas.BY_TYPE["delete"].load(event)
    assert schemas.refusal(caught.value) == ("no_type", f"type: {schemas.WORDS['no_type']}")


def test_it_words_the_first_thing_that_is_wrong() -> None:
    with pytest.raises(ValidationError) as caught:
        schemas.BY_TYPE["track"].load({"type": "track", "userId": "u" * 600, "event": []})
    assert schemas.refusal(caught.value) == ("id_too_long", "userId: An id may have at most 512 bytes.")
