"""`productfruits api-key`: Bearer keys of the HTTP API."""

import click

from productfruits.cli import store
from productfruits.cli.output import json_option, say, show, table
from productfruits.services import api_keys, audit
from productfruits.services.documents import instant


@click.group("api-key")
def api_key() -> None:
    """Make, list and revoke keys of the HTTP API."""


@api_key.command()
@store.workspace_option
@click.option("--name", default="cli", show_default=True, help="What uses the key.")
@json_option
def create(workspace_key: str | None, name: str, as_json: bool) -> None:
    """Make a key; it is shown once."""
    with store.opened() as runtime:
        workspace = store.chosen(runtime, workspace_key)
        with runtime.writing() as session:
            now = store.now()
            made = api_keys.create(session, workspace, name, now)
            audit.record(
                session,
                workspace_id=workspace.id,
                actor="cli",
                action="api_key.created",
                now=now,
                detail={"id": made.id, "name": name},
            )
    show({"api_key": made.key}, as_json, made.key)
    say("The key is shown this once. Send it as: Authorization: Bearer KEY")


@api_key.command("list")
@store.workspace_option
@json_option
def list_(workspace_key: str | None, as_json: bool) -> None:
    """List the live keys by number, name and first characters."""
    with store.opened() as runtime:
        workspace = store.chosen(runtime, workspace_key)
        with runtime.reading() as session:
            found = [
                {
                    "id": row.id,
                    "name": row.name,
                    "hint": row.hint,
                    "created_at": instant(row.created_at),
                    "last_used_at": instant(row.last_used_at),
                }
                for row in api_keys.of_workspace(session, workspace.id)
            ]
    rows = table(("KEY", "NAME", "BEGINS", "MADE", "LAST USED"), [list(row.values()) for row in found])
    show({"api_keys": found}, as_json, rows if found else "No API key yet.")


@api_key.command()
@store.workspace_option
@click.argument("key_id", metavar="KEY_ID", type=int)
@json_option
def revoke(workspace_key: str | None, key_id: int, as_json: bool) -> None:
    """End a key now (its number is in `api-key list`)."""
    with store.opened() as runtime:
        workspace = store.chosen(runtime, workspace_key)
        with runtime.writing() as session:
            now = store.now()
            ended = api_keys.revoke(session, workspace.id, key_id, now)
            audit.record(
                session,
                workspace_id=workspace.id,
                actor="cli",
                action="api_key.revoked",
                now=now,
                detail={"id": ended.id, "name": ended.name},
            )
    show({"id": ended.id, "name": ended.name}, as_json, f'API key "{ended.name}" has ended.')
