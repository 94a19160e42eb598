"""What users see of a tour or checklist: versions published, taken away, gone back to, put into the archive.

The content is held by its caller: `contents.held`.
"""

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from productfruits.adoption import documents, references, rules
from productfruits.adoption.documents import Document, InvalidDocument, Problem
from productfruits.adoption.references import Reference
from productfruits.errors import ProductFruitsError
from productfruits.models import Audience, Content, ContentVersion, Theme
from productfruits.services import adoption_settings, audiences, contents


class NothingToPublish(ProductFruitsError):
    """Users see exactly this already, so there is nothing to publish. Change the draft first."""


class NotPublished(ProductFruitsError):
    """Users do not see this now, so there is nothing to take away. Publish it first."""


class NothingBefore(ProductFruitsError):
    """No other version was live before, so there is nothing to go back to."""


class NotArchived(ProductFruitsError):
    """This is not in the archive."""


class NotPublishable(InvalidDocument):
    """This cannot be published yet."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(problems)
        self.args = ("This cannot be published yet. " + " ".join(str(problem) for problem in problems),)


def publish(session: Session, content: Content, actor: str, now: dt.datetime) -> int:
    """Show users what the draft says, and return the number of the version.

    A draft that says what the newest version says makes no new one. Raises `NotPublishable` with every reference that
    leads nowhere or asks too much, and `NothingToPublish`.
    """
    contents.refuse_archived(content)
    document = documents.load(content.kind, content.draft)
    problems = [
        *references.dead_ends(document),
        *missing(session, content.workspace_id, document),
        *_too_heavy(session, content.workspace_id, document),
    ]
    if problems:
        raise NotPublishable(problems)
    newest = contents.newest(session, content)
    if newest is not None and documents.same(newest.document, document):
        if content.published_version == newest.number:
            raise NothingToPublish()
        number = newest.number
    else:
        number = 1 if newest is None else newest.number + 1
        session.add(
            ContentVersion(
                workspace_id=content.workspace_id,
                content_id=content.id,
                number=number,
                document=document,
                published_at=now,
                published_by=actor,
            )
        )
    content.draft_differs = False
    _show(session, content, number, now)
    return number


def unpublish(session: Session, content: Content, now: dt.datetime) -> None:
    """Take a content away from its users; `go_back` or `publish` brings it back."""
    if content.published_version is None:
        raise NotPublished()
    _show(session, content, None, now)


def go_back(session: Session, content: Content, now: dt.datetime) -> int:
    """Show users the version that they saw before, and return its number. A second time leads forward again."""
    contents.refuse_archived(content)
    if content.previous_version is None:
        raise NothingBefore()
    number = content.previous_version
    _show(session, content, number, now)
    return number


def archive(session: Session, content: Content, now: dt.datetime) -> None:
    """Put a content away: in no list, never shown, kept for its numbers. Safe to repeat."""
    if content.archived_at is None:
        content.archived_at = now
        _show(session, content, None, now)


def unarchive(session: Session, content: Content, now: dt.datetime) -> None:
    """Take a content out of the archive; it is a draft then."""
    if content.archived_at is None:
        raise NotArchived()
    content.archived_at = None
    content.updated_at = now
    session.flush()


def missing(session: Session, workspace_id: int, document: Document) -> list[Problem]:
    """What the document refers to and the workspace does not have, each with its place."""
    found = list(references.of(document))
    if not found:
        return []
    known = {row.key: row for row in contents.every(session, workspace_id)}
    theme_keys = set(session.scalars(select(Theme.key).where(Theme.workspace_id == workspace_id)))
    audience_keys = set(session.scalars(select(Audience.key).where(Audience.workspace_id == workspace_id)))
    return [
        Problem(reference.path, words)
        for reference in found
        if (words := _absence(session, reference, known, theme_keys, audience_keys)) is not None
    ]


def _too_heavy(session: Session, workspace_id: int, document: Document) -> list[Problem]:
    """Whether the audiences of the rule come to more conditions than a page's question may cost."""
    rule = rules.parse(document["targeting"])
    try:
        rules.check_weight(rule, audiences.rules_by_key(session, workspace_id) if rule.audiences() else {})
    except rules.HeavyAudience as err:
        return [Problem(("targeting",), str(err))]
    return []


def _absence(
    session: Session, reference: Reference, known: dict[str, Content], theme_keys: set[str], audience_keys: set[str]
) -> str | None:
    key = reference.key
    row = known.get(key)
    match reference.what:
        case "theme" if key not in theme_keys:
            return f"There is no theme {key}. Make it first, or leave `theme` out."
        case "audience" if key not in audience_keys:
            return f"There is no audience {key}. Make it first."
        case "content" if row is None:
            return f"There is no tour or checklist {key}."
        case "tour" if row is None or row.kind != "tour":
            return f"There is no tour {key}. Make it first; it may be a draft."
        case "item" if row is None or row.kind != "checklist":
            return f"There is no checklist {key}. Make it first; it may be a draft."
        case "item" if row is not None and reference.item not in _items(session, row):
            return f"The checklist {key} has no item {reference.item}."
        case _:
            return None


def _items(session: Session, row: Content) -> set[str]:
    """The ids of a checklist's items, in its draft and as users see it."""
    said = [row.draft]
    if row.published_version is not None:
        said.append(contents.at_version(session, row.workspace_id, row.id, row.published_version))
    return {item["id"] for document in said for item in document["items"]}


def _show(session: Session, content: Content, number: int | None, now: dt.datetime) -> None:
    """Have users see this version from now on, or none; what they saw until now is what `go_back` leads to."""
    if content.published_version is not None or number == content.previous_version:
        content.previous_version = content.published_version
    content.published_version = number
    content.updated_at = now
    session.flush()
    adoption_settings.bump_generation(session, content.workspace_id)
