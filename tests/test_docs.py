"""The documents are held to the code: links, commands, options, settings, paths, codes of refusals, tables."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from flask import Flask

from productfruits.cli import main
from productfruits.config import PACKAGE, PREFIX, SETTINGS
from productfruits.database import Base
from productfruits.segment import messages, reader, schemas
from productfruits.web.browser import answers as page_answers
from productfruits.web.browser import events as reports
from productfruits.web.ingest import answers, browsers, refusals, tracking
from productfruits.web.ingest.answers import Answer
from productfruits.workers.metrics import Metrics

ROOT = PACKAGE.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
#: Folders of a Linux server that documents may speak of. Anything else absolute is a path of ours, or a mistake.
SYSTEM_FOLDERS = ("/etc/", "/opt/", "/run/", "/srv/", "/usr/", "/var/", "/dev/")
#: Below this are the pages of the reader's own web app.
THEIR_APP = "/app/"
#: Hosts that stand for the reader's own server in the documents.
OUR_HOSTS = ("127.0.0.1:8000", "localhost:8000", "onboarding.example.com", "YOUR-HOST")
#: What we ship is served by us; and how packages are fetched is for each reader's own configuration to say.
FOREIGN_HOSTS = re.compile(
    r"jsdelivr|unpkg\.com|cdnjs|cloudfront|googleapis|gstatic|esm\.sh|skypack|pypi\.org|pythonhosted|npmjs|yarnpkg|"
    r"proxy\.golang|registry\.[a-z]",
    re.IGNORECASE,
)
#: A first-level word after which the shell, not productfruits, goes on.
WORD = re.compile(r"[a-z][a-z-]*$")


@dataclass(frozen=True, slots=True)
class Document:
    path: Path
    text: str

    @property
    def prose(self) -> str:
        """The text without code, where a bracket is a bracket."""
        return re.sub(r"`[^`\n]*`", "", _without_blocks(self.text))

    @property
    def code(self) -> list[str]:
        """Every line of a code block, and every `inline` piece of code."""
        blocks = "\n".join(re.findall(r"^ *```[^\n]*\n(.*?)^ *```", self.text, re.DOTALL | re.MULTILINE))
        lines = re.sub(r"\\\n\s*", "", blocks).splitlines()
        return lines + re.findall(r"`([^`\n]+)`", _without_blocks(self.text))

    @property
    def anchors(self) -> set[str]:
        """What GitHub makes of the headings: lower case, no punctuation, dashes for spaces, numbers for repetitions."""
        found: dict[str, int] = {}
        anchors = set()
        for heading in re.findall(r"^#{1,6} +(.+?) *#*$", _without_blocks(self.text), re.MULTILINE):
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
            slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
            count = found[slug] = found.get(slug, -1) + 1
            anchors.add(f"{slug}-{count}" if count else slug)
        return anchors


def _without_blocks(text: str) -> str:
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)


def document(path: Path) -> Document:
    return Document(path, path.read_text())


@pytest.fixture(params=DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def read(request: pytest.FixtureRequest) -> Document:
    """Each document in turn."""
    return document(request.param)


def links(text: str) -> list[str]:
    """Targets of links and pictures, in Markdown and in the HTML that Markdown allows."""
    return re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|srcset|href)="([^"\s]+)"', text)


def commands(code: str) -> Iterator[list[str]]:
    """The words after each `productfruits` that is called as a program in a line of code."""
    for call in re.finditer(r"(?:^|[\s;&|(]|bin/)productfruits(?= )([^;&|<>#)\n]*)", code):
        yield call[1].split()


def unknown_word(words: list[str]) -> str | None:
    """The first word that the command line does not know, or None."""
    command: click.Command = main
    for word in words:
        if word.startswith("-"):
            names = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
            if word.partition("=")[0] not in names | {"--help"}:
                return word
        elif isinstance(command, click.Group):
            if not WORD.match(word):
                return None
            if word not in command.commands:
                return word
            _, called, _ = command.resolve_command(click.Context(command), [word])
            assert called is not None
            command = called
    return None


def paths(code: str) -> Iterator[str]:
    """The paths of URLs of our own in a piece of code, without query and punctuation around; `/…` ends a prefix."""
    hosts = "|".join(map(re.escape, OUR_HOSTS))
    for found in re.finditer(rf"(?:https?://(?:{hosts})|(?:^|[\s\"'(\[])(?=/[a-z]))(/[^\s\"'),;`|]*)", code):
        path = found[1].partition("?")[0].partition("#")[0].rstrip(".:")
        if not path.startswith((*SYSTEM_FOLDERS, THEIR_APP)) and path != "/":
            yield path + "…" if path.endswith("/") else path


def is_route(app: Flask, path: str) -> bool:
    """True if a route has these segments; a placeholder of ours stands for any value, `…` and `*` for any rest."""
    wanted = path.strip("/").split("/")
    is_prefix = wanted[-1] in ("…", "*", "...")
    if is_prefix:
        wanted.pop()
    for rule in app.url_map.iter_rules():
        segments = rule.rule.strip("/").split("/")
        if len(segments) < len(wanted) or (len(segments) > len(wanted) and not is_prefix):
            continue
        if all(has.startswith("<") or has == given for has, given in zip(segments, wanted, strict=False)):
            return True
    return False


def test_it_finds_every_link_and_anchor(read: Document) -> None:
    broken = []
    for target in links(read.prose) + re.findall(r'(?:src|srcset)="([^"\s]+)"', read.text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        path = (read.path.parent / file).resolve() if file else read.path
        if not path.exists() or not path.is_relative_to(ROOT):
            broken.append(f"{target}: no such file")
        elif anchor and anchor not in document(path).anchors:
            broken.append(f"{target}: no such heading")
    assert broken == []


def test_it_reaches_every_document_from_the_readme_and_the_index() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path in reached:
            continue
        reached.add(path)
        waiting += [
            (path.parent / target.partition("#")[0]).resolve()
            for target in links(document(path).prose)
            if target.partition("#")[0].endswith(".md") and ":" not in target
        ]
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / target.partition("#")[0]).resolve() for target in links(document(index).prose)}
    assert [path.name for path in DOCUMENTS if path not in reached | {index}] == []
    assert [path.name for path in (ROOT / "docs").glob("*.md") if path not in linked | {index}] == []


def test_every_command_and_option_exists(read: Document) -> None:
    unknown = [
        (" ".join(words), word)
        for code in read.code
        for words in commands(code)
        if (word := unknown_word(words)) is not None
    ]
    assert unknown == []


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("productfruits serve", ["serve"]),
        (".venv/bin/productfruits users list --workspace KEY", ["users", "list", "--workspace", "KEY"]),
        ("echo $PASSWORD | productfruits admin create a@example.com", ["admin", "create", "a@example.com"]),
        ("productfruits users export ID > ada.json", ["users", "export", "ID"]),
        ("cd /opt/productfruits && ls", None),
        ("useradd --home-dir /var/lib/productfruits --system productfruits", None),
    ],
)
def test_it_finds_commands_in_code(code: str, expected: list[str] | None) -> None:
    assert list(commands(code)) == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("words", "unknown"),
    [
        (["serve"], None),
        (["segment", "rotate", "--workspace", "KEY"], None),
        (["segment", "rotates"], "rotates"),
        (["segment", "rotate", "--sometimes"], "--sometimes"),
        (["nonsense"], "nonsense"),
    ],
)
def test_it_knows_the_command_line(words: list[str], unknown: str | None) -> None:
    assert unknown_word(words) == unknown


def test_every_setting_exists(read: Document) -> None:
    known = {PREFIX + setting.name for setting in SETTINGS}
    named = {name for name in re.findall(rf"\b{PREFIX}[A-Z_]+\b", read.text)}
    assert {name for name in named if name.removesuffix("_FILE") not in known} == set()


def test_every_metric_exists(read: Document) -> None:
    # The snippet has an event that is written like a metric, since Product Fruits' has it.
    known = {metric.name for metric in Metrics().registry.collect()} | {"productfruits_ready"}
    named = re.findall(r"\bproductfruits_[a-z_]+\b", read.text)
    assert {name.removesuffix("_total") for name in named} - known == set()


def test_every_path_of_ours_is_a_route(read: Document, app: Flask) -> None:
    assert [path for code in read.code for path in paths(code) if not is_route(app, path)] == []


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("GET /api/v1/users", ["/api/v1/users"]),
        ("curl https://onboarding.example.com/healthz", ["/healthz"]),
        ("http://127.0.0.1:8000/w/KEY/settings/segment?a=b", ["/w/KEY/settings/segment"]),
        ("install /var/backups/a.db /etc/productfruits.env", []),
        ("docs/segment.md", []),
    ],
)
def test_it_finds_paths_in_code(code: str, expected: list[str]) -> None:
    assert list(paths(code)) == expected


def test_it_tells_a_route_from_none(app: Flask) -> None:
    assert is_route(app, "/webhooks/segment/<token>")
    assert is_route(app, "/webhooks/…")
    assert not is_route(app, "/webhooks/elsewhere/<token>")
    assert not is_route(app, "/healthz/more")


def test_no_document_names_a_host_that_serves_packages_or_scripts(read: Document) -> None:
    assert FOREIGN_HOSTS.findall(read.text) == []


def test_no_document_names_a_folder_of_somebodys_machine(read: Document) -> None:
    assert re.findall(r"(?:/home/|/Users/|/root/|/tmp/|[A-Z]:\\)[^\s`]*", read.text) == []


def test_every_refusal_is_explained() -> None:
    codes = {*reader.WORDS, *messages.WORDS, *schemas.WORDS, *refusals.WORDS, *reports.WORDS}
    said = [*vars(answers).values(), *vars(tracking).values(), *vars(browsers).values(), *vars(page_answers).values()]
    codes |= {answer.code for answer in said if isinstance(answer, Answer) and answer.status >= 400}
    explained = set(re.findall(r"`([a-z_]+)`", (ROOT / "docs" / "troubleshooting.md").read_text()))
    assert codes - explained == set()


def test_the_map_names_every_table_and_no_other() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    section = text.partition("## Data")[2].partition("\n## ")[0]
    named = {
        name for row in re.findall(r"^\| (`.*?`) \|", section, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    assert named == set(Base.metadata.tables)


def test_the_map_names_files_that_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    files = re.findall(r"`([\w./]+\.(?:py|toml))`", text)
    assert [name for name in files if not ((ROOT / name).exists() or (PACKAGE / name).exists())] == []


def test_the_changelog_begins_with_this_version() -> None:
    versions = re.findall(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] in (ROOT / "productfruits" / "__init__.py").read_text()
