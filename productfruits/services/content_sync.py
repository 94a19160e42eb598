"""Content between a folder of files and the store: pulled file by file, pushed all or nothing."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from productfruits.adoption import documents, rules
from productfruits.adoption.documents import Document
from productfruits.models import Audience
from productfruits.services import audiences, content_files, contents, publishing, themes
from productfruits.services.content_files import ContentFile, FileProblem, InvalidFiles


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a content, theme or file. `what`: created, changed, published, or unchanged."""

    kind: str
    key: str
    what: str
    version: int | None = None


def pull(session: Session, workspace_id: int, folder: Path) -> Sequence[Change]:
    """Write every draft, theme and audience of the workspace into its file, unless the file says it already."""
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
    """Have the drafts, themes and audiences say what the files say, and `publish` them if asked.

    All or nothing: raises `InvalidFiles` with everything that stands in the way, so that the caller's transaction is
    undone. What the workspace has and the files do not stays as it is.
    """
    changes: list[Change] = []
    problems: list[FileProblem] = []
    waiting: list[ContentFile] = []
    # Audiences may ask about contents, and contents are published after audiences.
    for file in sorted(files, key=lambda file: file.kind == "audience"):
        try:
            changes.append(_SAVE[file.kind](session, workspace_id, file.document, now))
        except audiences.LeadsNowhere:
            waiting.append(file)
        except _REFUSALS as err:
            problems.append(_at_key(file, err))
    problems += _save_waiting(session, workspace_id, waiting, changes, now)
    if publish:
        saved = {(change.kind, change.key) for change in changes}
        for file in files:
            if file.kind not in documents.CONTENT or (file.kind, file.key) not in saved:
                continue
            try:
                changes += _publish(session, workspace_id, file, actor, now)
            except publishing.NotPublishable as err:
                problems += file.problems(err.problems)
    if problems:
        raise InvalidFiles(problems)
    return changes


def _save_waiting(
    session: Session, workspace_id: int, waiting: Sequence[ContentFile], changes: list[Change], now: dt.datetime
) -> list[FileProblem]:
    """Save audiences that need others, each once those are there; the problems of those for which none came."""
    while waiting:
        problems: list[FileProblem] = []
        still: list[ContentFile] = []
        for file in waiting:
            try:
                changes.append(_save_audience(session, workspace_id, file.document, now))
            except _REFUSALS as err:
                still.append(file)
                problems.append(_at_key(file, err))
        if len(still) == len(waiting):
            return problems
        waiting = still
    return []


def _stored(session: Session, workspace_id: int) -> list[tuple[str, Document]]:
    return [
        *(("theme", themes.document(row)) for row in themes.every(session, workspace_id)),
        *(("audience", _audience(row)) for row in audiences.every(session, workspace_id)),
        *((row.kind, row.draft) for row in contents.every(session, workspace_id)),
    ]


def _save_content(kind: str) -> Callable[[Session, int, Document, dt.datetime], Change]:
    def save(session: Session, workspace_id: int, document: Document, now: dt.datetime) -> Change:
        key = document["key"]
        try:
            content = contents.held(session, workspace_id, key, kind)
        except contents.NoSuchContent:
            contents.create(session, workspace_id, kind, document, now)
            return Change(kind, key, "created")
        changed = contents.save_draft(session, content, document, now)
        return Change(kind, key, "changed" if changed else "unchanged")

    return save


def _save_theme(session: Session, workspace_id: int, document: Document, now: dt.datetime) -> Change:
    key = document["key"]
    try:
        row = themes.by_key(session, workspace_id, key)
    except themes.NoSuchTheme:
        themes.create(session, workspace_id, document, now)
        return Change("theme", key, "created")
    if documents.same(themes.document(row), document):
        return Change("theme", key, "unchanged")
    themes.change(session, row, document, now)
    return Change("theme", key, "changed")


def _save_audience(session: Session, workspace_id: int, document: Document, now: dt.datetime) -> Change:
    key, name, rule = document["key"], document["name"], document["rule"]
    try:
        row = audiences.by_key(session, workspace_id, key)
    except audiences.NoSuchAudience:
        audiences.create(session, workspace_id, key, name, rule, now)
        return Change("audience", key, "created")
    if documents.same(_audience(row), document):
        return Change("audience", key, "unchanged")
    audiences.change(session, workspace_id, key, now, name=name, rule=rule)
    return Change("audience", key, "changed")


_SAVE: Mapping[str, Callable[[Session, int, Document, dt.datetime], Change]] = {
    "theme": _save_theme,
    "audience": _save_audience,
    "tour": _save_content("tour"),
    "checklist": _save_content("checklist"),
}
#: What a file can meet in the store that its author can do something about.
_REFUSALS = (
    contents.Archived,
    contents.KeyTaken,
    audiences.AudienceOfPages,
    audiences.LeadsNowhere,
    rules.EndlessAudience,
    rules.HeavyAudience,
)


def _audience(row: Audience) -> Document:
    return {"key": row.key, "name": row.name, "rule": row.rule}


def _at_key(file: ContentFile, err: Exception) -> FileProblem:
    """A refusal of the store at the line of the rule, or else of the key."""
    place = ("rule",) if file.kind == "audience" else ("key",)
    return FileProblem(file.file, file.lines.line(place), str(err))


def _publish(session: Session, workspace_id: int, file: ContentFile, actor: str, now: dt.datetime) -> list[Change]:
    content = contents.held(session, workspace_id, file.key, file.kind)
    try:
        return [Change(file.kind, file.key, "published", publishing.publish(session, content, actor, now))]
    except publishing.NothingToPublish:
        return []
