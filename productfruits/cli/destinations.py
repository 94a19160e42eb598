"""`productfruits destinations`: where events are sent to."""

import sys
from pathlib import Path
from typing import Any

import click

from productfruits.cli import store
from productfruits.cli.output import json_option, say, show, table
from productfruits.services import audit, delivery_log, destination_files, redelivery
from productfruits.services import destinations as service
from productfruits.services.documents import instant


@click.group()
def destinations() -> None:
    """Send events of a workspace to other servers."""


@destinations.command("list")
@store.workspace_option
@json_option
def list_(workspace_key: str | None, as_json: bool) -> None:
    """List the destinations, and how each stands."""
    with store.opened() as runtime:
        workspace = store.chosen(runtime, workspace_key)
        with runtime.reading() as session:
            found = service.of_workspace(session, workspace.id)
            documents = [service.document(each, service.endpoint(each, runtime.vault)) for each in found]
            addresses = [each.address for each in found]
    rows = [
        (each["key"], each["name"], each["kind"], each["status"], address, each["last_delivered_at"])
        for each, address in zip(documents, addresses, strict=True)
    ]
    show({"destinations": documents}, as_json, table(("KEY", "NAME", "KIND", "STATUS", "TO", "LAST DELIVERED"), rows))


@destinations.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))
@store.workspace_option
@click.option("--check", is_flag=True, help="Only say whether the file is right; change nothing.")
@json_option
def apply(file: Path, workspace_key: str | None, check: bool, as_json: bool) -> None:
    """Make the destinations of a YAML or JSON FILE, or change those whose keys are there; others stay.

    \b
    destinations:
      slack-sales:
        kind: slack
        url: https://hooks.slack.com/services/…
        filter: {types: [track], names: [Order Completed]}
        body: {form: text, template: "{{ user.email }} ordered"}

    Destinations of Jitsu (type: webhook) are taken as they are. All or none: a mistake anywhere changes nothing.
    Secrets of new destinations are shown this once.
    """
    with click.open_file(str(file), "rb") as opened:
        shapes = destination_files.read(opened.read(destination_files.MAX_BYTES + 1))
    if check:
        keys = [shape["key"] for shape in shapes]
        show({"checked": keys}, as_json, f"{len(keys)} destinations are right: {', '.join(keys)}.")
        return
    with store.opened() as runtime:
        workspace = store.chosen(runtime, workspace_key)
        with runtime.writing() as session:
            now = store.now()
            applied = destination_files.apply(session, workspace.id, shapes, now, runtime.vault)
            for each in applied:
                action = "destination.created" if each.made else "destination.changed"
                audit.record(
                    session,
                    workspace_id=workspace.id,
                    actor="cli",
                    action=action,
                    now=now,
                    detail={"destination": each.key},
                )
    show(
        {"destinations": [{"key": each.key, "made": each.made, "secret": each.secret} for each in applied]},
        as_json,
        table(("KEY", "", "SECRET"), [(each.key, "made" if each.made else "changed", each.secret) for each in applied]),
    )
    if any(each.made for each in applied):
        say("Secrets are shown this once. Receivers check with them that what they get is from here.")


@destinations.command()
@click.argument("key")
@store.workspace_option
@json_option
def remove(key: str, workspace_key: str | None, as_json: bool) -> None:
    """Delete a destination with its log and what waits for it."""
    with store.opened() as runtime:
        workspace = store.chosen(runtime, workspace_key)
        with runtime.writing() as session:
            service.delete(session, service.by_key(session, workspace.id, key))
            audit.record(
                session,
                workspace_id=workspace.id,
                actor="cli",
                action="destination.deleted",
                now=store.now(),
                detail={"destination": key},
            )
    show({"key": key, "removed": True}, as_json, f"{key} is deleted.")


@destinations.command()
@click.argument("key")
@store.workspace_option
@json_option
def test(key: str, workspace_key: str | None, as_json: bool) -> None:
    """Send a test event to a destination now, and say what became of it."""
    with store.opened() as runtime:
        workspace = store.chosen(runtime, workspace_key)
        with runtime.writing() as session:
            delivery = redelivery.test(session, service.by_key(session, workspace.id, key), store.now())
        runtime.deliveries.run_once()
        with runtime.reading() as session:
            page = delivery_log.attempts(session, service.by_key(session, workspace.id, key), limit=50)
            logged = next((row for row in page.rows if row.delivery.id == delivery.id), None)
    if logged is None:
        show({"outcome": None}, as_json, "It is on its way: a running server or worker is sending to this destination.")
        return
    document = delivery_log.document(logged)
    said = f"{document['outcome']} {document['status'] or ''}".strip()
    show(
        document, as_json, f"{said}, {document['took_ms']} ms. {document['detail'] or document['answer'] or ''}".strip()
    )
    if document["outcome"] != "delivered":
        sys.exit(1)


@destinations.command()
@click.argument("key")
@store.workspace_option
@click.option("--since", type=click.DateTime(), help="UTC; everything that is kept if left out.")
@json_option
def recover(key: str, workspace_key: str | None, since: Any, as_json: bool) -> None:
    """Send again everything that was given up."""
    with store.opened() as runtime:
        workspace = store.chosen(runtime, workspace_key)
        with runtime.writing() as session:
            found = service.by_key(session, workspace.id, key)
            count = redelivery.recover(session, found, store.utc(since), store.now())
            audit.record(
                session,
                workspace_id=workspace.id,
                actor="cli",
                action="destination.sent_again",
                now=store.now(),
                detail={"destination": key, "what": "failed", "since": instant(store.utc(since))},
            )
    show({"deliveries": count}, as_json, f"{count} deliveries are on their way again.")
