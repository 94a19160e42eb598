"""Objects that functions set: merged, counted, listed and exported."""

from sqlalchemy.orm import Session

from productfruits.services import objects
from tests.services import factories
from tests.services.messages import NOW


def test_objects_are_merged_listed_and_exported(session: Session) -> None:
    owner = factories.workspace(session)
    sets = [
        {"collection": "products", "id": "1", "properties": {"name": "Shoe", "size": 9}},
        {"collection": "products", "id": "1", "properties": {"size": None, "colour": "red"}},
        {"collection": "invoices", "id": "7", "properties": {}},
    ]
    objects.put(session, owner.id, sets, NOW)
    assert [(c.name, c.objects) for c in objects.collections(session, owner.id)] == [("invoices", 1), ("products", 1)]
    (row,) = objects.page(session, owner.id, "products").rows
    assert row.properties == {"name": "Shoe", "colour": "red"}
    (line,) = objects.export(session, owner.id, "products")
    assert '"colour": "red"' in line
