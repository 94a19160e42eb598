"""Fixtures of the command line's tests: an environment of its own, and a runner."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from productfruits.cli import main
from tests.pgtemp import free_port

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `productfruits ARGUMENTS` in this process against an empty store, on both databases."""
    monkeypatch.setenv("PRODUCTFRUITS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PRODUCTFRUITS_DATABASE_URL", database_url)
    monkeypatch.setenv("PRODUCTFRUITS_PORT", str(free_port()))
    if database_url.startswith("postgresql"):
        monkeypatch.setenv("PRODUCTFRUITS_SECRET_KEY", "only-for-tests-" + "k" * 32)
        monkeypatch.setenv("PRODUCTFRUITS_ENCRYPTION_KEYS", "LS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0=")
    return lambda *arguments, given=None: CliRunner().invoke(main, arguments, input=given)


def document(result: Result) -> Any:
    """The one JSON document on stdout of a command that worked."""
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("\n") == 1
    return json.loads(result.stdout)


def refusal(result: Result) -> str:
    """What a command that did not work said, and that it said it in one place only."""
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    return result.stderr.removeprefix("Error: ").rstrip("\n")
