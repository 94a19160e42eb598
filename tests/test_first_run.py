"""What a machine can lack when somebody runs the two commands for the first time: one line each, with the remedy."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def answer_of(script: str, *arguments: str, **environment: str) -> str:
    """The one line that a script of the checkout fails with."""
    done = subprocess.run(
        [ROOT / "scripts" / script, *arguments],
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("productfruits: ")
    return line


def program(path: Path, body: str) -> str:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_an_old_python_is_told_what_to_install(tmp_path: Path) -> None:
    old = program(tmp_path / "python", '[ "$1" = --version ] && { echo Python 3.9.2; exit 0; }; exit 1')
    line = answer_of("venv", "run", PYTHON=old, VENV=str(tmp_path / "venv"))
    assert "Python 3.11 or newer and found Python 3.9.2" in line
    assert "apt install python3 python3-venv" in line


def test_no_python_is_told_what_to_install(tmp_path: Path) -> None:
    line = answer_of("venv", "run", PYTHON=str(tmp_path / "nowhere"), VENV=str(tmp_path / "venv"))
    assert "found no Python" in line


def test_a_python_without_venv_is_told_which_package_has_it(tmp_path: Path) -> None:
    bare = program(tmp_path / "python", f'case "$*" in *ensurepip*) exit 1;; esac\nexec {sys.executable} "$@"')
    line = answer_of("venv", "run", PYTHON=bare, VENV=str(tmp_path / "venv"))
    assert f"apt install python{sys.version_info.major}.{sys.version_info.minor}-venv" in line


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    # Below a file nobody can make a folder, not even root.
    (tmp_path / "file").touch()
    line = answer_of("venv", "run", PYTHON=sys.executable, VENV=str(tmp_path / "file" / "venv"))
    assert f"cannot write to {tmp_path / 'file' / 'venv'}" in line
    assert "VENV=" in line


@pytest.mark.parametrize("command", ["run", "test"])
def test_the_commands_work_with_and_without_make(command: str) -> None:
    # Inside `make test` the outer make's variables would change what the inner one prints.
    environment = {"PATH": os.environ["PATH"]}
    planned = subprocess.run(
        ["make", "-n", command], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    ).stdout
    assert planned.split() == [f"./{command}"]
    assert os.access(ROOT / command, os.X_OK)


def test_continuous_integration_calls_make_test_and_nothing_else() -> None:
    lines = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line and not line.startswith("#")]
    assert lines == ["set -eu", 'cd "$(dirname "$0")/.."', "exec make test"]
