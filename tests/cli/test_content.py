"""`productfruits content`: between a folder and the store, all or nothing, with file and line of what is wrong."""

from pathlib import Path

import pytest
from sqlalchemy.orm import Session, sessionmaker

from productfruits.adoption import documents
from productfruits.services import audit, contents, publishing, themes, workspaces
from tests.cli.conftest import Run, document, refusal
from tests.services.factories import NOW
from tests.unit.adoption import authored

TOUR = """\
key: welcome
name: Welcome
theme: brand
steps:
  - id: hello
    kind: modal
    title: Hello
"""
CHECKLIST = """\
key: start
name: Start
title: Get started
items:
  - id: one
    title: Take the tour
    action: {do: start_tour, tour: welcome}
    done: {by: tour, tour: welcome}
"""
STAFF = "key: staff\nname: Staff\nrule:\n  kind: trait\n  name: role\n  op: is\n  value: staff\n"
THEME = "key: brand\nname: Brand\nlight: {accent: '#0f766e'}\n"


@pytest.fixture
def acme(run: Run) -> str:
    key: str = document(run("workspace", "create", "Acme", "--json"))["workspace"]
    return key


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a tour, a checklist and a theme."""
    folder = tmp_path / "onboarding"
    put(folder, "tours/welcome.yaml", TOUR)
    put(folder, "checklists/start.yaml", CHECKLIST)
    put(folder, "themes/brand.yaml", THEME)
    put(folder, "tours/README.md", "not ours")
    return folder


def put(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def snapshot(folder: Path) -> dict[str, tuple[str, int]]:
    return {str(file): (file.read_text(), file.stat().st_mtime_ns) for file in folder.rglob("*") if file.is_file()}


def live(sessions: sessionmaker[Session], key: str) -> list[tuple[str, int]]:
    with sessions() as session:
        return [(row.key, row.version) for row in contents.live(session, workspaces.by_key(session, key).id)]


def test_what_is_pushed_is_published_and_pulled_back_the_same(
    run: Run, acme: str, folder: Path, sessions: sessionmaker[Session], tmp_path: Path
) -> None:
    rehearsed = document(run("content", "push", str(folder), "--publish", "--dry-run", "--json"))
    assert rehearsed["dry_run"] is True and live(sessions, acme) == []
    pushed = document(run("content", "push", str(folder), "--publish", "--workspace", acme, "--json"))
    assert pushed == {**rehearsed, "dry_run": False}
    assert [(change["what"], change["kind"], change["key"], change["version"]) for change in pushed["changes"]] == [
        ("created", "theme", "brand", None),
        ("created", "checklist", "start", None),
        ("created", "tour", "welcome", None),
        ("published", "checklist", "start", 1),
        ("published", "tour", "welcome", 1),
    ]
    assert live(sessions, acme) == [("start", 1), ("welcome", 1)]
    again = run("content", "push", str(folder), "--publish")
    assert [line.split()[0] for line in again.stdout.splitlines()] == ["unchanged"] * 3
    with sessions() as session:
        owner = workspaces.by_key(session, acme).id
        assert [entry.action for entry in audit.newest(session, owner)][:5] == [
            "content.published",
            "content.published",
            "content.created",
            "content.created",
            "theme.created",
        ]

    elsewhere = tmp_path / "elsewhere"
    pulled = document(run("content", "pull", str(elsewhere), "--json"))
    assert [change["what"] for change in pulled["changes"]] == ["created"] * 3 and pulled["only_in_files"] == []
    before = snapshot(elsewhere)
    pulled = document(run("content", "pull", str(elsewhere), "--json"))
    assert [change["what"] for change in pulled["changes"]] == ["unchanged"] * 3 and snapshot(elsewhere) == before
    unchanged = document(run("content", "push", str(elsewhere), "--publish", "--json"))
    assert {change["what"] for change in unchanged["changes"]} == {"unchanged"}
    assert (elsewhere / "tours/welcome.yaml").read_text() == TOUR

    put(elsewhere, "tours/welcome.yaml", TOUR.replace("Hello", "Good day"))
    put(elsewhere, "tours/mine.yaml", TOUR.replace("welcome", "mine"))
    changed = document(run("content", "push", str(elsewhere), "--json"))
    assert [change["what"] for change in changed["changes"]] == ["unchanged", "unchanged", "created", "changed"]
    assert live(sessions, acme) == [("start", 1), ("welcome", 1)], "without --publish users see nothing new"
    put(elsewhere, "tours/stranger.yaml", TOUR.replace("welcome", "stranger"))
    assert "stranger.yaml" in run("content", "pull", str(elsewhere)).stderr
    assert (elsewhere / "tours/stranger.yaml").exists()


def test_problems_of_all_files_are_told_by_file_and_line_and_nothing_is_changed(
    run: Run, acme: str, folder: Path, sessions: sessionmaker[Session]
) -> None:
    wrong = {
        "tours/a.yaml": (TOUR.replace("welcome", "a").replace("modal", "banner"), 6, "steps[0].kind: Must be one of"),
        "tours/b.yaml": ("key: b\nname: [", 2, "not YAML"),
        "tours/c.yaml": (TOUR, 1, "key: The file is called c.yaml"),
        "tours/d.yml": (TOUR.replace("welcome", "d"), 1, "d.yaml"),
        "tours/e.yaml": (TOUR.replace("welcome", "e") + "    titel: x\n", 8, "did you mean `title`?"),
        "tours/start.yaml": (TOUR.replace("welcome", "start"), 1, "share their keys"),
        "tours/f.yaml": (
            TOUR.replace("welcome", "f") + "  - {id: end, kind: modal, title: End}\n",
            5,
            "Nobody gets past",
        ),
        "themes/pale.yaml": ("key: pale\nname: Pale\nlight:\n  text: '#eee'\n", 4, "contrast"),
    }
    for name, (text, _, _) in wrong.items():
        put(folder, name, text)
    (folder / "tours/g.yaml").write_bytes(b"key: g\nname: \xff")
    (folder / "tours/h.yaml").write_bytes(b" " * (1024 * 1024 + 1))
    told = refusal(run("content", "validate", str(folder)))
    lines = told.split("\n")
    assert lines[0] == "10 problems in these files, so nothing was changed:"
    for name, (_, line, words) in wrong.items():
        (found,) = [each for each in lines if each.startswith(f"{folder / name}:")]
        assert found.startswith(f"{folder / name}:{line}: ") and words in found
    assert f"{folder}/tours/g.yaml:2: The file is not UTF-8." in lines
    assert f"{folder}/tours/h.yaml:1: The file is larger than 1 MiB." in lines
    assert refusal(run("content", "push", str(folder), "--json")) == told
    with sessions() as session:
        owner = workspaces.by_key(session, acme).id
        assert contents.every(session, owner) == [] and themes.every(session, owner) == []


def test_what_only_the_store_knows_is_told_by_file_and_line_too(
    run: Run, acme: str, folder: Path, sessions: sessionmaker[Session]
) -> None:
    (folder / "themes/brand.yaml").unlink()
    with sessions.begin() as session:
        owner = workspaces.by_key(session, acme).id
        content = contents.create(session, owner, "tour", documents.load("tour", authored.tour("start")), NOW)
        old = contents.create(session, owner, "tour", documents.load("tour", authored.tour("old")), NOW)
        publishing.archive(session, old, NOW)
    put(folder, "tours/old.yaml", TOUR.replace("welcome", "old"))
    told = refusal(run("content", "push", str(folder), "--publish"))
    assert f"{folder}/checklists/start.yaml:1: Another tour or checklist" in told
    assert f"{folder}/tours/old.yaml:1: This is in the archive" in told
    assert f"{folder}/tours/welcome.yaml:3: theme: There is no theme brand." in told
    with sessions() as session:
        assert [row.key for row in contents.every(session, owner)] == [content.key]


def test_audiences_are_pushed_in_the_order_in_which_they_need_each_other(
    run: Run, acme: str, folder: Path, tmp_path: Path
) -> None:
    put(folder, "audiences/staff.yaml", STAFF)
    rule = "{all: [{kind: audience, key: staff}, {kind: content, key: start, state: completed}]}"
    put(folder, "audiences/done.yaml", f"key: done\nname: Done\nrule: {rule}\n")
    put(folder, "tours/welcome.yaml", TOUR + "targeting: {kind: audience, key: done}\n")
    pushed = document(run("content", "push", str(folder), "--publish", "--json"))
    assert {(change["kind"], change["key"]) for change in pushed["changes"]} >= {
        ("audience", "staff"),
        ("audience", "done"),
    }
    elsewhere = tmp_path / "elsewhere"
    run("content", "pull", str(elsewhere))
    assert (elsewhere / "audiences/staff.yaml").read_text() == STAFF
    again = document(run("content", "push", str(elsewhere), "--publish", "--json"))
    assert {change["what"] for change in again["changes"]} == {"unchanged"} and len(again["changes"]) == 5

    put(folder, "audiences/staff.yaml", STAFF.replace("value: staff", "value: team"))
    changed = document(run("content", "push", str(folder), "--json"))
    assert [change["key"] for change in changed["changes"] if change["what"] == "changed"] == ["staff"]
    put(folder, "audiences/a.yaml", "key: a\nname: A\nrule: {kind: audience, key: b}\n")
    put(folder, "audiences/b.yaml", "key: b\nname: B\nrule:\n  kind: audience\n  key: a\n")
    put(folder, "audiences/c.yaml", "key: c\nname: C\nrule: {kind: url, op: contains, value: /x}\n")
    told = refusal(run("content", "push", str(folder)))
    assert f"{folder}/audiences/a.yaml:3: The rule refers to what is not in this workspace: audience b" in told
    assert f"{folder}/audiences/b.yaml:3: The rule refers" in told
    assert f"{folder}/audiences/c.yaml:3: An audience is made of users" in told
    put(folder, "audiences/d.yaml", "key: d\nname: D\nrule:\n  all:\n    - kind: moon\n")
    assert f"{folder}/audiences/d.yaml:5: rule.all[0].kind: " in refusal(run("content", "validate", str(folder)))


def test_a_folder_without_files_is_refused_with_advice(run: Run, acme: str, tmp_path: Path) -> None:
    for command in (["validate"], ["push"]):
        assert "tours/welcome.yaml" in refusal(run("content", *command, str(tmp_path / "nothing")))
    assert "no content yet" in run("content", "pull", str(tmp_path)).stdout
    (tmp_path / "themes").write_text("a file where a folder should be")
    put(tmp_path, "tours/welcome.yaml", TOUR.replace("theme: brand\n", ""))
    assert document(run("content", "validate", str(tmp_path), "--json")) == {
        "files": [f"{tmp_path}/tours/welcome.yaml"]
    }
    assert run("content", "push", str(tmp_path)).exit_code == 0
    put(tmp_path, "tours/welcome.yaml", "x: 1")
    (tmp_path / "themes").unlink()
    run("content", "pull", str(tmp_path))
    assert (tmp_path / "tours/welcome.yaml").read_text().startswith("key: welcome\n")
