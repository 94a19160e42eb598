"""Tours and checklists in the store: drafts, versions that never change, what users see, and what is refused."""

import copy
import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.orm import Session, sessionmaker

from productfruits.adoption import documents, rules
from productfruits.adoption.documents import Document
from productfruits.database import begin_immediate
from productfruits.models import Audience, Content, ContentState, Workspace
from productfruits.services import adoption_settings, audiences, contents, pages, publishing, themes
from tests.services import factories
from tests.services.factories import NOW
from tests.unit.adoption import authored

LATER = NOW + dt.timedelta(hours=1)
STAFF = {"kind": "trait", "name": "role", "op": "is", "value": "staff"}


@pytest.fixture
def acme(session: Session) -> Workspace:
    """A workspace that is not the only one with a tour of this key."""
    make(session, factories.workspace(session, "Noise"))
    return factories.workspace(session)


def make(session: Session, owner: Workspace, document: Document | None = None) -> Content:
    document = document or authored.tour()
    kind = "checklist" if "items" in document else "tour"
    return contents.create(session, owner.id, kind, documents.load(kind, document), NOW)


def save(session: Session, content: Content, **changes: object) -> bool:
    return contents.save_draft(session, content, documents.load(content.kind, {**content.draft, **changes}), LATER)


def generation(session: Session, owner: Workspace) -> int:
    return adoption_settings.generation(session, owner.id)


def live_names(session: Session, owner: Workspace) -> list[tuple[str, int]]:
    return [(live.name, live.version) for live in contents.live(session, owner.id)]


def test_a_draft_is_seen_by_nobody_until_it_is_published(session: Session, acme: Workspace) -> None:
    content = make(session, acme)
    assert (content.status, content.draft_differs, contents.live(session, acme.id)) == ("draft", True, [])
    assert publishing.publish(session, content, "cli", NOW) == 1
    (live,) = contents.live(session, acme.id)
    assert (live.id, live.kind, live.key, live.name, live.version) == (content.id, "tour", "welcome", "Welcome", 1)
    assert (live.published_at, live.reset_at) == (NOW, None)
    assert live.document == documents.load("tour", authored.tour())
    assert (content.status, content.draft_differs) == ("published", False)


def test_users_see_a_change_once_it_is_published_and_the_version_before_stays(
    session: Session, acme: Workspace
) -> None:
    content = make(session, acme)
    publishing.publish(session, content, "ann@example.com", NOW)
    before = copy.deepcopy(contents.at_version(session, acme.id, content.id, 1))
    assert save(session, content, name="Changed") and content.draft_differs
    assert live_names(session, acme) == [("Welcome", 1)]
    assert publishing.publish(session, content, "cli", LATER) == 2
    session.expire_all()
    assert live_names(session, acme) == [("Changed", 2)]
    assert contents.at_version(session, acme.id, content.id, 1) == before
    newest, oldest = contents.versions(session, content).rows
    assert (newest.number, newest.published_by, newest.published_at) == (2, "cli", LATER)
    assert (oldest.number, oldest.published_by) == (1, "ann@example.com")


def test_a_draft_that_is_changed_back_does_not_differ(session: Session, acme: Workspace) -> None:
    content = make(session, acme)
    publishing.publish(session, content, "cli", NOW)
    assert not save(session, content)
    assert save(session, content, priority=1) and content.draft_differs
    assert save(session, content, priority=50) and not content.draft_differs


def test_publishing_what_users_see_already_is_refused_in_words(session: Session, acme: Workspace) -> None:
    content = make(session, acme)
    publishing.publish(session, content, "cli", NOW)
    with pytest.raises(publishing.NothingToPublish, match="exactly this"):
        publishing.publish(session, content, "cli", NOW)
    assert len(contents.versions(session, content).rows) == 1


def test_one_step_leads_back_and_forth_again(session: Session, acme: Workspace) -> None:
    content = make(session, acme)
    with pytest.raises(publishing.NothingBefore):
        publishing.go_back(session, content, NOW)
    publishing.publish(session, content, "cli", NOW)
    with pytest.raises(publishing.NothingBefore):
        publishing.go_back(session, content, NOW)
    save(session, content, name="Second")
    publishing.publish(session, content, "cli", NOW)
    for name, version in (("Welcome", 1), ("Second", 2), ("Welcome", 1)):
        assert publishing.go_back(session, content, NOW) == version
        assert live_names(session, acme) == [(name, version)]
    assert publishing.publish(session, content, "cli", NOW) == 2, "the draft says what version 2 says: no version 3"


def test_what_is_unpublished_comes_back(session: Session, acme: Workspace) -> None:
    content = make(session, acme)
    with pytest.raises(publishing.NotPublished):
        publishing.unpublish(session, content, NOW)
    publishing.publish(session, content, "cli", NOW)
    publishing.unpublish(session, content, NOW)
    assert (content.status, contents.live(session, acme.id)) == ("draft", [])
    assert publishing.go_back(session, content, NOW) == 1
    publishing.unpublish(session, content, NOW)
    assert publishing.publish(session, content, "cli", NOW) == 1, "what the newest version says makes no new one"


def test_the_archive_is_out_of_sight_and_nothing_changes_in_it(session: Session, acme: Workspace) -> None:
    content = make(session, acme)
    publishing.publish(session, content, "cli", NOW)
    with pytest.raises(publishing.NotArchived):
        publishing.unarchive(session, content, NOW)
    for _ in range(2):
        publishing.archive(session, content, NOW)
    assert content.status == "archived" and contents.live(session, acme.id) == []
    assert contents.page(session, acme.id).rows == [] and contents.every(session, acme.id) == []
    assert contents.page(session, acme.id, status="archived").rows == [content]
    changes: list[Callable[[], object]] = [
        lambda: save(session, content, name="x"),
        lambda: publishing.publish(session, content, "cli", NOW),
        lambda: publishing.go_back(session, content, NOW),
    ]
    for change in changes:
        with pytest.raises(contents.Archived):
            change()
    publishing.unarchive(session, content, NOW)
    assert content.status == "draft" and publishing.go_back(session, content, NOW) == 1


def test_a_copy_has_its_own_key(session: Session, acme: Workspace) -> None:
    content = make(session, acme, authored.full_tour() | {"name": "n" * 200})
    copied = contents.duplicate(session, content, "copy", LATER)
    assert (copied.key, copied.status, copied.created_at) == ("copy", "draft", LATER)
    assert copied.name.endswith(" (copy)") and len(copied.name) == 200
    assert copied.draft == {**content.draft, "key": "copy", "name": copied.name}
    assert contents.duplicate(session, content, "named", LATER, "Named").name == "Named"
    with pytest.raises(contents.KeyTaken):
        contents.duplicate(session, content, "copy", LATER)
    with pytest.raises(documents.InvalidDocument):
        contents.duplicate(session, content, "No Key", LATER)
    assert len(contents.every(session, acme.id)) == 3, "what was refused undid nothing else"


def test_a_key_is_unique_over_both_kinds_and_found_by_kind(session: Session, acme: Workspace) -> None:
    tour = make(session, acme)
    with pytest.raises(contents.KeyTaken):
        make(session, acme, authored.checklist("welcome"))
    assert contents.by_key(session, acme.id, "welcome") is tour
    assert contents.held(session, acme.id, "welcome", "tour") is tour
    for key, kind in (("welcome", "checklist"), ("nothing", None), ("\0", None), ("", None), ("\ud800", "tour")):
        for find in (contents.by_key, contents.held):
            with pytest.raises(contents.NoSuchContent):
                find(session, acme.id, key, kind)


def test_the_key_never_changes(session: Session, acme: Workspace) -> None:
    content = make(session, acme)
    save(session, content, key="other", name="Other")
    assert (content.key, content.draft["key"], content.name) == ("welcome", "welcome", "Other")


def test_lists_come_in_pages_by_kind_and_status(session: Session, acme: Workspace) -> None:
    made = [make(session, acme, authored.tour(f"t{number}")) for number in range(3)]
    start = make(session, acme, authored.checklist())
    publishing.publish(session, made[1], "cli", NOW)
    publishing.publish(session, start, "cli", NOW)
    first = contents.page(session, acme.id, kind="tour", limit=2)
    rest = contents.page(session, acme.id, kind="tour", limit=2, cursor=first.next_cursor)
    assert [*first.rows, *rest.rows] == made and rest.next_cursor is None
    assert list(contents.page(session, acme.id, status="published").rows) == [made[1], start]
    assert list(contents.page(session, acme.id, status="draft", kind="tour").rows) == [made[0], made[2]]
    for number in range(2):
        save(session, start, priority=number)
        publishing.publish(session, start, "cli", NOW)
    page = contents.versions(session, start, limit=2)
    assert [row.number for row in page.rows] == [3, 2]
    assert [row.number for row in contents.versions(session, start, cursor=page.next_cursor).rows] == [1]
    with pytest.raises(pages.InvalidCursor):
        contents.versions(session, made[1], cursor=page.next_cursor)
    for number in (0, 4, -1, 2**40):
        with pytest.raises(contents.NoSuchVersion):
            contents.version(session, acme.id, start.id, number)


LEADS_NOWHERE: list[tuple[Document, list[str]]] = [
    (authored.tour(theme="brand"), ["theme: There is no theme brand."]),
    (
        authored.tour(targeting={"all": [{"kind": "audience", "key": "staff"}]}),
        ["targeting.all[0].key: There is no audience staff."],
    ),
    (
        authored.tour(targeting={"not": {"kind": "content", "key": "gone", "state": "completed"}}),
        ["targeting.not.key: There is no tour or checklist gone."],
    ),
    (
        authored.step(buttons=[authored.button("start_tour", tour="start")]),
        ["steps[0].buttons[0].action.tour: There is no tour start."],
    ),
    (
        authored.step(buttons=[authored.button("complete_item", checklist="start", item="two")]),
        ["steps[0].buttons[0].action.item: The checklist start has no item two."],
    ),
    (
        authored.step(buttons=[authored.button("complete_item", checklist="tour", item="two")]),
        ["There is no checklist tour."],
    ),
    (
        authored.checklist(
            "more",
            items=[
                {
                    "id": "a",
                    "title": "A",
                    "action": {"do": "start_tour", "tour": "x"},
                    "done": {"by": "tour", "tour": "y"},
                }
            ],
        ),
        ["items[0].action.tour: There is no tour x.", "items[0].done.tour: There is no tour y."],
    ),
    (
        authored.tour(steps=[*authored.step()["steps"], {"id": "end", "kind": "modal", "title": "End"}]),
        ["steps[0].buttons: Nobody gets past this step."],
    ),
]


def test_what_leads_nowhere_is_not_published(session: Session, acme: Workspace) -> None:
    make(session, acme, authored.checklist())
    make(session, acme, authored.tour("tour"))
    for number, (document, said) in enumerate(LEADS_NOWHERE):
        content = make(session, acme, {**document, "key": f"c{number}"})
        with pytest.raises(publishing.NotPublishable) as refused:
            publishing.publish(session, content, "cli", NOW)
        assert str(refused.value).startswith("This cannot be published yet. ")
        assert all(words in str(refused.value) for words in said) and len(refused.value.problems) == len(said)
    assert contents.live(session, acme.id) == []


def test_what_is_there_is_published_even_in_a_circle(session: Session, acme: Workspace) -> None:
    themes.create(session, acme.id, documents.load("theme", authored.theme()), NOW)
    session.add(Audience(workspace_id=acme.id, key="staff", name="Staff", rule=STAFF, updated_at=NOW))
    make(session, acme, authored.checklist())
    rule = {"any": [{"kind": "audience", "key": "staff"}, {"kind": "content", "key": "start", "state": "completed"}]}
    item = authored.button("complete_item", checklist="start", item="one") | {"id": "tick"}
    for key, other in (("there", "back"), ("back", "there")):
        buttons = [authored.button("start_tour", tour=other), item]
        make(session, acme, authored.step(buttons=buttons) | {"key": key, "targeting": rule, "theme": "brand"})
    for key in ("there", "back"):
        assert publishing.publish(session, contents.held(session, acme.id, key), "cli", NOW) == 1


def test_what_users_see_or_need_is_not_deleted(session: Session, acme: Workspace) -> None:
    needed, needing = make(session, acme), make(session, acme, authored.tour("other"))
    save(session, needing, targeting={"kind": "content", "key": "welcome", "state": "completed"})
    for content in (needed, needing):
        publishing.publish(session, content, "cli", NOW)
    with pytest.raises(contents.StillPublished):
        contents.remove(session, needed)
    publishing.unpublish(session, needed, NOW)
    with pytest.raises(contents.StillNeeded, match="other"):
        contents.remove(session, needed)
    publishing.archive(session, needing, NOW)
    ann = factories.user(session, acme, "ann")
    session.add(
        ContentState(
            workspace_id=acme.id,
            content_id=needed.id,
            user_id=ann.id,
            state="completed",
            version=1,
            items={},
            state_at=1,
        )
    )
    session.flush()
    contents.remove(session, needed)
    assert session.query(ContentState).count() == 0
    with pytest.raises(contents.NoSuchContent):
        contents.by_key(session, acme.id, "welcome")


def test_what_an_audience_asks_about_is_not_deleted(session: Session, acme: Workspace) -> None:
    content = make(session, acme)
    rule = {"kind": "content", "key": "welcome", "state": "completed"}
    audiences.create(session, acme.id, "done", "Done", rule, NOW)
    with pytest.raises(contents.StillNeeded, match="audience done"):
        contents.remove(session, content)


def test_a_rule_that_asks_too_much_through_audiences_is_not_published(session: Session, acme: Workspace) -> None:
    leaf = {"kind": "computed", "name": "visits", "op": "greater", "value": 1}
    keys = [f"a{number}" for number in range(rules.MAX_BEHIND // rules.MAX_CONDITIONS + 1)]
    for key in keys:
        audiences.create(session, acme.id, key, key, {"any": [leaf] * rules.MAX_CONDITIONS}, NOW)
    content = make(session, acme, authored.tour(targeting={"any": [{"kind": "audience", "key": key} for key in keys]}))
    with pytest.raises(publishing.NotPublishable, match="targeting: "):
        publishing.publish(session, content, "cli", NOW)


def test_every_change_of_what_users_see_raises_the_generation(session: Session, acme: Workspace) -> None:
    content = make(session, acme)
    save(session, content, name="Draft")
    assert generation(session, acme) == 0
    look = documents.load("theme", authored.theme())
    for change in (
        lambda: publishing.publish(session, content, "cli", NOW),
        lambda: publishing.unpublish(session, content, NOW),
        lambda: publishing.go_back(session, content, NOW),
        lambda: publishing.archive(session, content, NOW),
        lambda: themes.create(session, acme.id, look, NOW),
        lambda: themes.change(session, themes.by_key(session, acme.id, "brand"), look, NOW),
        lambda: themes.remove(session, themes.by_key(session, acme.id, "brand")),
        lambda: adoption_settings.change(session, acme.id, quiet_hours=1),
    ):
        before = generation(session, acme)
        change()
        assert generation(session, acme) > before


def test_those_who_publish_at_once_make_a_version_each(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        owner = factories.workspace(session).id
        contents.create(session, owner, "tour", documents.load("tour", authored.tour()), NOW)

    def publish(name: str) -> int:
        with sessions.begin() as session:
            begin_immediate(session)
            content = contents.held(session, owner, "welcome")
            save(session, content, name=name)
            return publishing.publish(session, content, "cli", NOW)

    with ThreadPoolExecutor() as pool:
        assert sorted(pool.map(publish, ["One", "Two", "Three"])) == [1, 2, 3]
    with sessions() as session:
        content = contents.by_key(session, owner, "welcome")
        assert (content.published_version, content.previous_version) == (3, 2)
        assert adoption_settings.generation(session, owner) == 3


def test_themes_are_chosen_by_key_and_one_is_the_default(session: Session, acme: Workspace) -> None:
    built_in = themes.looks(session, acme.id)
    assert built_in.of(None) == built_in.of("gone") and built_in.of(None)["radius"] == 8
    for key, radius, default in (("square", 0, True), ("round", 20, False)):
        themes.create(
            session, acme.id, documents.load("theme", authored.theme(key, radius=radius, default=default)), NOW
        )
    looks = themes.looks(session, acme.id)
    assert (looks.of(None)["radius"], looks.of("round")["radius"], looks.of("gone")["radius"]) == (0, 20, 0)
    row = themes.by_key(session, acme.id, "round")
    themes.change(session, row, documents.load("theme", authored.theme("ignored", default=True)), NOW)
    session.expire_all()
    assert [(row.key, row.is_default) for row in themes.every(session, acme.id)] == [("round", True), ("square", False)]
    assert themes.document(row) == documents.load("theme", authored.theme("round", default=True))
    with pytest.raises(themes.ThemeKeyTaken):
        themes.create(session, acme.id, documents.load("theme", authored.theme("round")), NOW)
    with pytest.raises(themes.NoSuchTheme):
        themes.by_key(session, acme.id, "\0")
    content = make(session, acme, authored.tour(theme="round"))
    publishing.publish(session, content, "cli", NOW)
    with pytest.raises(themes.ThemeInUse, match="welcome"):
        themes.remove(session, row)
