"""What people install: the wheel, built from the source package, works far from the checkout."""

import re
import shutil
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from pathlib import Path

import pytest

from tests.served import serve

ROOT = Path(__file__).parent.parent
BUILD = (sys.executable, "-m", "build", "--no-isolation")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source package and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("packages")
    # From an empty folder: `python -m build` beside a folder called build/ would run that.
    subprocess.run([*BUILD, "--outdir", folder, ROOT], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def installed(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a fresh virtualenv with the wheel; dependencies are those of the test virtualenv."""
    venv = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    (wheel,) = packages.glob("*.whl")
    install: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--quiet",
        "--disable-pip-version-check",
        "--python",
        venv / "bin" / "python",
    ]
    subprocess.run([*install, "install", "--no-deps", "--no-index", wheel], check=True)
    # After the install, so that pip sees an empty virtualenv. Paths in a .pth bring no further .pth files with them, so
    # the editable install of the checkout stays out.
    (site,) = (venv / "lib").glob("python*/site-packages")
    (here,) = {Path(path) for path in sys.path if path.endswith("site-packages")}
    (site / "dependencies.pth").write_text(f"{here}\n")
    return venv / "bin"


def test_the_wheel_holds_migrations_templates_and_built_files_and_no_tests(packages: Path) -> None:
    (wheel,) = packages.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    places = {
        "productfruits": "productfruits",
        "migrations": "productfruits/_migrations",
        "static/dist": "productfruits/_static/dist",
    }
    for folder, place in places.items():
        expected = {
            f"{place}/{path.relative_to(ROOT / folder)}"
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert expected
        assert expected - names == set()
    assert [name for name in names if name.startswith(("tests/", "bench/", "static/", "migrations/"))] == []


def test_the_source_package_holds_what_a_build_needs(packages: Path) -> None:
    (source,) = packages.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    needed = {
        "pyproject.toml",
        "hatch_build.py",
        "app.py",
        "migrations/env.py",
        "static/dist/admin.css",
        "tests/conftest.py",
    }
    assert needed - names == set()


def read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.status == 200
        body: bytes = answer.read()
        return body


def test_it_serves_from_a_virtualenv_far_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    where: list[str | Path] = [installed / "python", "-c", "import productfruits; print(productfruits.__file__)"]
    found = subprocess.run(where, cwd=elsewhere, check=True, capture_output=True, text=True).stdout
    assert Path(found.strip()).is_relative_to(installed.parent)

    with serve(tmp_path / "data", program=(installed / "productfruits",), cwd=elsewhere) as served:
        assert read(f"{served.url}/healthz")
        assert read(f"{served.url}/static/dist/admin.css") == (ROOT / "static" / "dist" / "admin.css").read_bytes()
        # The link is printed for the public address, which is this one.
        (link,) = re.findall(r"http://\S+/setup\?\S+", served.output())
        assert b"<form" in read(link)
        assert served.cli_json("workspace", "create", "Acme")["workspace"]
    assert (tmp_path / "data" / "productfruits.db").is_file()
    assert list(elsewhere.iterdir()) == []


def test_a_package_without_built_files_is_refused(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "hatch_build.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("productfruits", "migrations"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("README.md", "LICENSE"):
        (tmp_path / name).touch()
    refused = subprocess.run([*BUILD, "--wheel", tmp_path], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "run `make assets` first" in refused.stdout + refused.stderr
    assert list(tmp_path.glob("**/*.whl")) == []
