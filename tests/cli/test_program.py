"""The list of all commands: right without the commands, and small."""

import importlib
import pkgutil
import subprocess
import sys

import click
import pytest

import productfruits.cli
from productfruits.cli import main
from productfruits.cli.program import LISTED, Listed

#: Prints what is imported by then, after `productfruits ARGUMENT`.
SCRIPT = """
import sys
from productfruits.cli import main
main([sys.argv[1]], standalone_mode=False)
print(*sys.modules)
"""
LONG = 1_000


@pytest.mark.parametrize("listed", LISTED, ids=lambda listed: str(listed.name))
def test_a_command_is_listed_under_its_name_and_in_its_own_words(listed: Listed) -> None:
    command = listed.load()
    assert not isinstance(command, Listed)
    assert command.name == listed.name
    assert command.get_short_help_str(LONG) == listed.get_short_help_str(LONG)


def test_no_command_is_left_out() -> None:
    modules = [
        importlib.import_module(found.name)
        for found in pkgutil.iter_modules(productfruits.cli.__path__, "productfruits.cli.")
    ]
    made = {
        id(value): value for module in modules for value in vars(module).values() if isinstance(value, click.Command)
    }
    within = {id(each) for group in made.values() if isinstance(group, click.Group) for each in group.commands.values()}
    called = {id(listed.load()) for listed in LISTED}
    left_out = [made[key].name for key in made if made[key] is not main and key not in within | called]
    assert left_out == []


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_the_list_comes_without_what_the_commands_need(argument: str) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT, argument], capture_output=True, text=True, check=True)
    imported = set(done.stdout.splitlines()[-1].split())
    assert "click" in imported
    ours = {"productfruits", "productfruits.cli", "productfruits.cli.program"}
    assert {name for name in imported if name.partition(".")[0] == "productfruits"} == ours
    assert (
        imported & {"alembic", "cryptography", "flask", "granian", "liquid", "marshmallow", "rich", "sqlalchemy"}
        == set()
    )
