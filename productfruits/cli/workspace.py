"""`productfruits workspace`: one for each application whose users are tracked."""

import click

from productfruits.cli import store
from productfruits.cli.output import fields, json_option, show, table
from productfruits.services import audit, workspaces


@click.group()
def workspace() -> None:
    """Make and list workspaces (one for each application; staging and production are two)."""


@workspace.command()
@click.argument("name")
@json_option
def create(name: str, as_json: bool) -> None:
    """Make a workspace called NAME."""
    with store.opened() as runtime, runtime.writing() as session:
        now = store.now()
        made = workspaces.create(session, name, now)
        audit.record(session, workspace_id=made.id, actor="cli", action="workspace.created", now=now)
        document = {"workspace": made.key, "name": made.name}
    show(document, as_json, fields([("Workspace", made.key), ("Name", made.name)]))


@workspace.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all workspaces, oldest first."""
    with store.opened() as runtime, runtime.reading() as session:
        found = workspaces.every(session)
    document = {"workspaces": [{"workspace": row.key, "name": row.name} for row in found]}
    text = table(("WORKSPACE", "NAME"), [(row.key, row.name) for row in found])
    show(document, as_json, text if found else "No workspace yet. Make one with: productfruits workspace create NAME")
