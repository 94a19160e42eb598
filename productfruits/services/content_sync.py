"""Content between a folder of files and the store: pulled file by file, pushed all or nothing."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from productfruits.adoption import documents
from productfruits.adoption.documents import Document
from productfruits.services import content_files, contents, publishing, themes
from productfruits.services.content_files import ContentFile, FileProblem, InvalidFiles


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a content, theme or file. `what`: created, changed, published, or unchanged."""

    kind: str
    key: str
    what: str
    version: int | None = None


def pull(session: Session, workspace_id: int, folder: Path) -> Sequence[Change]:
    """Write every draft and theme of the workspace into its file. What is in its file already stays untouched."""
    changes = []
    for kind, document in _stored(session, workspace_id):
        is_new = not content_files.path_of(folder, kind, document["key"]).exists()
        written = content_files.write(folder, kind, document)
        what = "unchanged" if not written else "created" if is_new else "changed"
        changes.append(Change(kind, document["key"], what))
    return changes


def only_in_files(session: Session, workspace_id: int, folder: Path) -> Sequence[Path]:
    """Files of the folder that the workspace has nothing for; nobody deletes them but their owner."""
    stored = {(kind, document["key"]) for kind, document in _stored(session, workspace_id)}
    return [file for kind, key, file in content_files.names(folder) if (kind, key) not in stored]


def push(
    session: Session, workspace_id: int, files: Sequence[ContentFile], *, publish: bool, actor: str, now: dt.datetime
) -> Sequence[Change]:
    """Have the drafts and themes of the workspace say what the files say, and `publish` them if asked.

    All or nothing: raises `InvalidFiles` with everything that stands in the way, so that the caller's transaction is
    undone. What the workspace has and the files do not stays as it is.
    """
    changes: list[Change] = []
    problems: list[FileProblem] = []
    saved: list[ContentFile] = []
    for file in files:
        try:
            changes.append(_save(session, workspace_id, file, now))
            saved.append(file)
        except (contents.Archived, contents.KeyTaken) as err:
            problems.append(FileProblem(file.file, file.lines.line(("key",)), str(err)))
    if publish:
        # Only now, since drafts may refer to each other.
        for file in saved:
            try:
                changes += _publish(session, workspace_id, file, actor, now)
            except publishing.NotPublishable as err:
                problems += file.problems(err.problems)
    if problems:
        raise InvalidFiles(problems)
    return changes


def _stored(session: Session, workspace_id: int) -> list[tuple[str, Document]]:
    looks = [("theme", themes.document(row)) for row in themes.every(session, workspace_id)]
    return [*looks, *((row.kind, row.draft) for row in contents.every(session, workspace_id))]


def _save(session: Session, workspace_id: int, file: ContentFile, now: dt.datetime) -> Change:
    if file.kind == "theme":
        return _save_theme(session, workspace_id, file, now)
    try:
        content = contents.held(session, workspace_id, file.key, file.kind)
    except contents.NoSuchContent:
        contents.create(session, workspace_id, file.kind, file.document, now)
        return Change(file.kind, file.key, "created")
    changed = contents.save_draft(session, content, file.document, now)
    return Change(file.kind, file.key, "changed" if changed else "unchanged")


def _save_theme(session: Session, workspace_id: int, file: ContentFile, now: dt.datetime) -> Change:
    try:
        row = themes.by_key(session, workspace_id, file.key)
    except themes.NoSuchTheme:
        themes.create(session, workspace_id, file.document, now)
        return Change("theme", file.key, "created")
    if documents.same(themes.document(row), file.document):
        return Change("theme", file.key, "unchanged")
    themes.change(session, row, file.document, now)
    return Change("theme", file.key, "changed")


def _publish(session: Session, workspace_id: int, file: ContentFile, actor: str, now: dt.datetime) -> list[Change]:
    if file.kind == "theme":
        return []
    content = contents.held(session, workspace_id, file.key, file.kind)
    try:
        return [Change(file.kind, file.key, "published", publishing.publish(session, content, actor, now))]
    except publishing.NothingToPublish:
        return []
