"""`productfruits content`: tours, checklists, themes and audiences as files in git."""

from collections.abc import Sequence
from pathlib import Path

import click

from productfruits.adoption.documents import CONTENT
from productfruits.cli import store
from productfruits.cli.output import json_option, say, show
from productfruits.services import audit, content_files, content_sync
from productfruits.services.content_sync import Change

FOLDER = click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
FOLDER_HELP = "DIR holds one file each: tours/KEY.yaml, checklists/KEY.yaml, themes/KEY.yaml, audiences/KEY.yaml."
#: What is recorded; what is unchanged is not.
ACTIONS = {"created", "changed", "published"}


@click.group()
def content() -> None:
    """Keep tours, checklists, themes and audiences as YAML files in git."""


@content.command(epilog=FOLDER_HELP)
@FOLDER
@store.workspace_option
@json_option
def pull(folder: Path, workspace_key: str | None, as_json: bool) -> None:
    """Write drafts, themes and audiences of a workspace into DIR. A second time changes nothing; no file is deleted."""
    with store.opened() as runtime:
        workspace = store.chosen(runtime, workspace_key)
        with runtime.reading() as session:
            changes = content_sync.pull(session, workspace.id, folder)
            others = content_sync.only_in_files(session, workspace.id, folder)
    document = {"changes": _documents(changes), "only_in_files": [str(file) for file in others]}
    show(document, as_json, _text(changes, "The workspace has no content yet."))
    if others and not as_json:
        say("The workspace has nothing for these files: " + ", ".join(map(str, others)))


@content.command(epilog=FOLDER_HELP)
@FOLDER
@store.workspace_option
@click.option("--publish", is_flag=True, help="Also publish what users do not see yet.")
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@json_option
def push(folder: Path, workspace_key: str | None, publish: bool, dry_run: bool, as_json: bool) -> None:
    """Save the files of DIR as drafts, themes and audiences of a workspace: all, or none when one cannot be used.

    What the workspace has and DIR does not stays as it is.
    """
    files = content_files.read(folder)
    with store.opened() as runtime:
        workspace = store.chosen(runtime, workspace_key)
        now = store.now()
        with runtime.writing() as session:
            changes = content_sync.push(session, workspace.id, files, publish=publish, actor="cli", now=now)
            for change in changes:
                if change.what in ACTIONS:
                    audit.record(
                        session,
                        workspace_id=workspace.id,
                        actor="cli",
                        action=f"{'content' if change.kind in CONTENT else change.kind}.{change.what}",
                        now=now,
                        detail=_detail(change),
                    )
            if dry_run:
                session.rollback()
    show({"changes": _documents(changes), "dry_run": dry_run}, as_json, _text(changes, ""))
    if dry_run and not as_json:
        say("Nothing was changed: this was a dry run.")


@content.command(epilog=FOLDER_HELP)
@FOLDER
@json_option
def validate(folder: Path, as_json: bool) -> None:
    """Check the files of DIR without a store. Problems are told as FILE:LINE: what is wrong.

    Whether a tour or theme that a file names is in the workspace is checked by `productfruits content push --publish`.
    """
    files = content_files.read(folder)
    document = {"files": [str(each.file) for each in files]}
    show(document, as_json, "1 file can be used." if len(files) == 1 else f"{len(files)} files can be used.")


def _documents(changes: Sequence[Change]) -> list[dict[str, object]]:
    return [{"kind": each.kind, "key": each.key, "what": each.what, "version": each.version} for each in changes]


def _detail(change: Change) -> dict[str, object]:
    return {"key": change.key} | ({} if change.version is None else {"version": change.version})


def _text(changes: Sequence[Change], nothing: str) -> str:
    told = [
        f"{each.what:<9}  {each.kind} {each.key}" + ("" if each.version is None else f", version {each.version}")
        for each in changes
    ]
    return "\n".join(told) or nothing
