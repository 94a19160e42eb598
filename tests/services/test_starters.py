"""The content that ships with the package."""

from sqlalchemy.orm import Session

from productfruits.adoption import documents, yaml_text
from productfruits.services import contents, starters
from tests.services import factories
from tests.services.factories import NOW
from tests.unit.adoption import authored


def test_starters_are_published_and_what_is_there_already_stays(session: Session) -> None:
    owner = factories.workspace(session).id
    mine = documents.load("tour", authored.tour("first-steps"))
    contents.create(session, owner, "tour", mine, NOW)
    for expected in (["getting-started"], []):
        changes = starters.add(session, owner, actor="cli", now=NOW)
        assert [change.key for change in changes if change.what == "created"] == expected
    assert [live.key for live in contents.live(session, owner)] == ["getting-started"]
    assert contents.by_key(session, owner, "first-steps").draft == mine
    fresh = factories.workspace(session).id
    starters.add(session, fresh, actor="cli", now=NOW)
    assert {live.key: live.kind for live in contents.live(session, fresh)} == {
        "getting-started": "checklist",
        "first-steps": "tour",
    }


def test_starters_are_as_pull_would_write_them_and_show_on_the_demo_page_only() -> None:
    for file in starters.files():
        assert file.file.read_text() == yaml_text.write(documents.compact(file.kind, file.document))
        assert file.document["targeting"] == {"kind": "url", "op": "contains", "value": "/demo/"}
