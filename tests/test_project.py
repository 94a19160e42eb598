"""The project itself: lock files, built files, migrations, the promise that importing touches nothing."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect

import productfruits.models  # noqa: F401  (registers every table)
from productfruits.database import Base, alembic_config

ROOT = Path(__file__).parent.parent
PYTHON_LOCKS = ("requirements.lock", "requirements-dev.lock")
LOCKS = (*PYTHON_LOCKS, "package-lock.json")


@pytest.mark.parametrize("name", PYTHON_LOCKS)
def test_every_locked_python_package_has_one_version_and_hashes(name: str) -> None:
    # A requirement goes on over lines that end in a backslash; comments say who wants it.
    entries = re.sub(r"\\\n", " ", (ROOT / name).read_text()).splitlines()
    packages = [entry for entry in entries if entry.strip() and not entry.lstrip().startswith("#")]
    assert len(packages) > 20
    for package in packages:
        assert re.match(r"[a-z0-9.-]+(\[[a-z,]+\])?==\S+( ; .+?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*$", package), (
            package
        )


def test_every_locked_npm_package_has_a_hash() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    # A bundled package lies inside its parent's file, whose hash covers it.
    own = {path: entry for path, entry in packages.items() if path and not entry.get("inBundle")}
    without = [path for path, entry in own.items() if not entry.get("integrity")]
    assert len(packages) > 10
    assert without == []


@pytest.mark.parametrize("name", LOCKS)
def test_lock_files_name_no_host(name: str) -> None:
    # `funding` and `license` links of npm packages are about people, not about where to fetch from.
    lines = [line for line in (ROOT / name).read_text().splitlines() if not re.search(r'^\s*"(url|funding)":', line)]
    named = [line for line in lines if re.search(r'https?://|file:|"resolved"|index-url|find-links|trusted-host', line)]
    assert named == []


def test_the_test_lock_holds_every_package_of_the_run_lock_in_the_same_version() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^[a-z0-9.-]+==[^\s\\;]+", (ROOT / name).read_text(), flags=re.MULTILINE))

    assert pins("requirements.lock") - pins("requirements-dev.lock") == set()


def test_importing_the_package_touches_nothing(tmp_path: Path) -> None:
    """No file, no socket, no thread, no environment: every module can be imported in an empty, unwritable world."""
    program = """
import importlib, pkgutil, sys, threading

def refuse(event, arguments):
    if event.startswith(("socket.", "sqlite3.connect", "subprocess.")) or event in ("os.mkdir", "os.putenv"):
        # The one exception is of the standard library: it asks at import whether IPv6 exists, and closes at once.
        if event not in ("socket.__new__", "socket.bind"):
            raise SystemExit(f"importing did {event} {arguments}")
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        raise SystemExit(f"importing wrote {arguments[0]}")

sys.addaudithook(refuse)
import productfruits
names = [module.name for module in pkgutil.walk_packages(productfruits.__path__, "productfruits.")]
for name in names:
    if not name.endswith(("__main__", ".wsgi", ".asgi")):
        importlib.import_module(name)
assert threading.active_count() == 1, threading.enumerate()
print(len(names))
"""
    done = subprocess.run(
        [sys.executable, "-B", "-c", program], cwd=tmp_path, env={}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20
    assert list(tmp_path.iterdir()) == []


def test_static_dist_is_what_its_sources_build(tmp_path: Path) -> None:
    subprocess.run(["node", ROOT / "scripts" / "build.mjs", tmp_path], check=True, cwd=ROOT)

    def files(folder: Path) -> dict[str, bytes]:
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    fresh, committed = files(tmp_path), files(ROOT / "static" / "dist")
    assert sorted(committed) == sorted(fresh)
    stale = [name for name in fresh if committed[name] != fresh[name]]
    assert stale == [], "run `make assets` and commit static/dist"


def test_third_party_notice_names_every_shipped_package_in_its_locked_version() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    shipped = {
        f"{path.removeprefix('node_modules/')} {entry['version']} ({entry['license']})"
        for path, entry in packages.items()
        if path and not entry.get("dev") and not entry.get("devOptional")
    }
    rule = "-" * 80
    _, *notices = (ROOT / "static" / "dist" / "THIRD-PARTY.txt").read_text().split(f"\n{rule}\n\n")
    titles = {notice.splitlines()[0] for notice in notices}
    assert titles == shipped
    assert any(title.startswith("htmx.org 2.0.11 ") for title in titles)
    for notice in notices:
        assert re.search(r"permission|license|licence", "\n".join(notice.splitlines()[1:]), re.IGNORECASE), notice


def test_migrations_make_exactly_the_tables_of_the_models(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "render_as_batch": True})
        assert compare_metadata(context, Base.metadata) == []
    assert set(inspect(engine).get_table_names()) == {*Base.metadata.tables, "alembic_version"}


def test_migrations_have_one_head_and_the_store_is_there(engine: Engine) -> None:
    (head,) = ScriptDirectory.from_config(alembic_config(str(engine.url))).get_heads()
    with engine.connect() as connection:
        assert MigrationContext.configure(connection).get_current_heads() == (head,)


def test_a_difference_between_models_and_tables_would_be_seen() -> None:
    """The comparison above can fail: an empty store differs by every table."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    engine.dispose()
    assert len([change for change in found if change[0] == "add_table"]) == len(Base.metadata.tables)


@pytest.mark.parametrize("room", ["models", "services", "segment", "identity"])
def test_only_entry_points_commit(room: str) -> None:
    guilty = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "productfruits" / room).rglob("*.py")
        if re.search(r"\.commit\(", path.read_text())
    ]
    assert guilty == []


def test_no_module_is_a_drawer() -> None:
    """A function belongs to the noun or protocol it serves."""
    drawers = {"utils", "util", "helpers", "helper", "common", "misc", "shared", "lib"}
    modules = [*ROOT.glob("productfruits/**/*.py"), *ROOT.glob("tests/**/*.py"), *ROOT.glob("bench/**/*.py")]
    assert len(modules) > 20
    assert [str(path) for path in modules if drawers & {path.stem, path.parent.name}] == []


def test_no_file_of_the_package_is_longer_than_300_lines() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in (ROOT / "productfruits").rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > 300
    }
    assert long == {}
