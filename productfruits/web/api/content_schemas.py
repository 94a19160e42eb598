"""The shapes in which tours, checklists and themes leave the API; those they come in are the documents themselves."""

from typing import Any

from marshmallow import RAISE, Schema, fields, validate

from productfruits.adoption.checklists import Checklist
from productfruits.adoption.fields import NAME_MAX, Id, Line
from productfruits.adoption.themes import Theme
from productfruits.adoption.tours import Tour
from productfruits.services.contents import STATUSES
from productfruits.web.api.schemas import Answer, Query, instant, page_of, text


class ContentsQuery(Query):
    """Which of them; without a status all but the archived ones."""

    status = text("Only those with this status.", validate=validate.OneOf(STATUSES))


class Copy(Schema):
    """What a copy is called."""

    class Meta:
        unknown = RAISE

    key = Id("Key of the copy.", required=True)
    name = Line("Name of the copy; that of the original with (copy) where it is left out.", NAME_MAX)


class Summary(Answer):
    """A tour or checklist without its document."""

    id = fields.Integer(required=True, metadata={"description": "Our number, which its events carry."})
    kind = text("tour or checklist.", required=True)
    key = text("Its key.", required=True)
    name = text("Its name.", required=True)
    status = text("What it is now.", required=True, validate=validate.OneOf(STATUSES))
    draft_differs = fields.Boolean(
        required=True, metadata={"description": "Whether the draft says something else than the newest version."}
    )
    published_version = fields.Integer(
        required=True, allow_none=True, metadata={"description": "The version that users see."}
    )
    previous_version = fields.Integer(
        required=True, allow_none=True, metadata={"description": "The version that they saw before."}
    )
    archived_at = instant("When it was archived", required=True, allow_none=True)
    created_at = instant("When it was made", required=True)
    updated_at = instant("When anything of it changed last", required=True)


class VersionSummary(Answer):
    """A version without its document."""

    number = fields.Integer(required=True, metadata={"description": "1, 2, 3, …"})
    published_at = instant("When it was published", required=True)
    published_by = text("By whom.", required=True)


class Removed(Answer):
    """The answer to a deletion."""

    deleted = text("The key.", required=True)


def _with_document(base: type[Answer], document: type[Schema], name: str, words: str, told: str) -> type[Answer]:
    described = fields.Nested(document, required=True, metadata={"description": told})
    made: Any = type(name, (base,), {"__doc__": words, "document": described})
    return made  # type: ignore[no-any-return]


DRAFT = "The draft; `GET …/versions/<number>` shows what was published."
StoredTour = _with_document(Summary, Tour, "StoredTour", "A tour with its draft.", DRAFT)
StoredChecklist = _with_document(Summary, Checklist, "StoredChecklist", "A checklist with its draft.", DRAFT)
TourVersion = _with_document(VersionSummary, Tour, "TourVersion", "A version of a tour.", "What was published.")
ChecklistVersion = _with_document(
    VersionSummary, Checklist, "ChecklistVersion", "A version of a checklist.", "What was published."
)
TourList = type("TourList", (page_of("tours", Summary, "Some tours, in the order in which they were made."),), {})
ChecklistList = type(
    "ChecklistList", (page_of("checklists", Summary, "Some checklists, in the order in which they were made."),), {}
)
VersionPage = page_of("versions", VersionSummary, "Some versions, newest first.")


class ThemeList(Answer):
    """All themes, by key."""

    themes = fields.List(fields.Nested(Theme), required=True)
