"""The reference documents are what the code says: made by scripts/reference.py, and compared here."""

import pytest

from productfruits.cli import main
from productfruits.config import SETTINGS
from scripts import reference


@pytest.mark.parametrize("name", list(reference.FILES))
def test_the_reference_is_up_to_date(name: str) -> None:
    written = (reference.FOLDER / name).read_text()
    assert written == reference.FILES[name](), "run: .venv/bin/python scripts/reference.py"


def test_the_reference_leaves_nothing_out() -> None:
    commands = (reference.FOLDER / "cli.md").read_text()
    for path, command in reference.commands(main, "productfruits"):
        assert f"## {path}\n" in commands
        assert command.help, f"{path} says nothing about itself"
    settings = (reference.FOLDER / "settings.md").read_text()
    for setting in SETTINGS:
        assert f"`PRODUCTFRUITS_{setting.name}`" in settings and setting.help


def test_every_command_prints_json_when_asked() -> None:
    without = [
        path
        for path, command in reference.commands(main, "productfruits")
        if not any("--json" in parameter.opts for parameter in command.params)
    ]
    assert without == ["productfruits serve", "productfruits worker"]
