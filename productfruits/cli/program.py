"""`productfruits`: the group of all commands. To import one takes a second and more, so only the called one is."""

import importlib
from typing import Any

import click

import productfruits


class Listed(click.Command):
    """A command before it is called: what `--help` says of it, and the module of this package that has the rest."""

    def __init__(self, name: str, module: str, help: str) -> None:
        super().__init__(name, help=help)
        self._place = f"productfruits.cli.{module}", name.replace("-", "_")

    def load(self) -> click.Command:
        """The command itself."""
        module, attribute = self._place
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


class Program(click.Group):
    """A group that goes on to the command itself only when one is called."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, Listed) else command, rest

    def invoke(self, ctx: click.Context) -> Any:
        return importlib.import_module("productfruits.cli.edge").run(super().invoke, ctx)


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(productfruits.__version__, prog_name="productfruits")
def main() -> None:
    """Product adoption on your own server, fed by Segment.

    Settings come from PRODUCTFRUITS_… variables: docs/reference/settings.md. Every command takes --json for one JSON
    document on stdout; messages go to stderr. Exit codes: 0 done, 1 not done, 2 wrong usage.
    """


#: Each with the first sentence of its own help; a test compares them.
LISTED = (
    Listed("admin", "admin", "Make and invite those who log in here."),
    Listed("api-key", "api_key", "Make, list and revoke keys of the HTTP API."),
    Listed("backup", "backup", "Copy the SQLite store to a new FILE, also while the server runs."),
    Listed("content", "content", "Keep tours, checklists, themes and audiences as YAML files in git."),
    Listed("destinations", "destinations", "Send events of a workspace to other servers."),
    Listed(
        "doctor",
        "doctor",
        "Check settings, store, keys, disk, address and server; exit code 1 if something keeps it from working.",
    ),
    Listed("function", "functions", "Run Segment's functions: try them out, save and deploy them."),
    Listed("keys", "keys", "Change the keys that encrypt secrets in the store, or give up a lost one."),
    Listed(
        "replay",
        "replay",
        "Sign the messages of FILE (one JSON message or array a line) and send them to the workspace's webhook.",
    ),
    Listed("segment", "segment", "Connect a workspace to Segment, and change its secrets."),
    Listed("serve", "serve", "Migrate the store, then take webhooks and show the pages, until SIGTERM."),
    Listed("setup-link", "admin", "Print the link that makes the first admin; it works until it is used."),
    Listed("users", "users", "List, show, export and erase the users of a workspace."),
    Listed(
        "worker",
        "worker",
        "Send events to destinations until SIGTERM, beside any number of servers and other workers.",
    ),
    Listed(
        "workspace",
        "workspace",
        "Make and list workspaces (one for each application; staging and production are two).",
    ),
)
for listed in LISTED:
    main.add_command(listed)
