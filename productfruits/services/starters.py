"""The tour and the checklist that ship with the package: something to see before anybody has written anything.

They are shown under /demo/ only, so that publishing them shows nothing to a customer's users.
"""

import datetime as dt
from collections.abc import Sequence

from sqlalchemy.orm import Session

from productfruits.config import PACKAGE
from productfruits.services import content_files, content_sync, contents
from productfruits.services.content_files import ContentFile
from productfruits.services.content_sync import Change

FOLDER = PACKAGE / "adoption" / "starters"


def files() -> Sequence[ContentFile]:
    """The starters as files."""
    return content_files.read(FOLDER)


def add(session: Session, workspace_id: int, *, actor: str, now: dt.datetime) -> Sequence[Change]:
    """Make and publish the starters. What the workspace has under the same key already stays as it is."""
    wanted = [file for file in files() if not contents.is_taken(session, workspace_id, file.key)]
    return content_sync.push(session, workspace_id, wanted, publish=True, actor=actor, now=now)
