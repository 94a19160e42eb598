"""Drafts shown in the customer's own app, to whoever was given a signed link, before any user sees them.

A link works once: the first page that opens it gets a pass of its own, which holds for that tab and an hour. So a link
that stays in a chat or a history shows nothing to the next one who finds it.
"""

import datetime as dt
import hashlib
import secrets
from typing import Any, Literal

import msgspec
from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy import select
from sqlalchemy.orm import Session

from productfruits.adoption import rendering
from productfruits.errors import ProductFruitsError
from productfruits.models import Content, SeenMessage
from productfruits.services import bulk, seen_messages, themes

#: How long a link waits for its page, and how long a pass shows the draft.
LINK_FOR = dt.timedelta(days=1)
PASS_FOR = dt.timedelta(hours=1)
SALT = "productfruits.preview"
#: In the fragment of an address, which browsers send to no server (RFC 9110, 7.1).
MARK = "productfruits-preview="

Kind = Literal["link", "pass"]


class InvalidPreview(ProductFruitsError):
    """This preview does not work: the link was opened already, is older than a day, or was not copied whole.

    Make a new one on the page of the tour or checklist.
    """


def link(page: str, content: Content, secret_key: str, now: dt.datetime) -> str:
    """The address of the customer's page that shows the draft of this content once it is opened."""
    return _address(page, _sign(content, "link", secret_key, now + LINK_FOR))


def with_pass(page: str, content: Content, secret_key: str, now: dt.datetime) -> str:
    """The same for a page of ours, and for an hour as often as one likes."""
    return _address(page, _sign(content, "pass", secret_key, now + PASS_FOR))


def open_preview(
    session: Session, workspace_id: int, token: str, secret_key: str, now: dt.datetime
) -> tuple[Content, str]:
    """The content that the token shows, and the pass that goes on showing it. A link is used up by this.

    The caller commits. Raises `InvalidPreview`.
    """
    try:
        said: dict[str, Any] = _signer(secret_key).loads(token)
    except (BadData, UnicodeError) as err:
        raise InvalidPreview() from err
    content = session.scalar(select(Content).where(Content.workspace_id == workspace_id, Content.id == said["content"]))
    if content is None or said["until"] < now.timestamp():
        raise InvalidPreview()
    if said["kind"] == "pass":
        return content, token
    digest = seen_messages.digest(f"preview link {said['nonce']}")
    # Kept where messages that count once are kept: a link counts once, too.
    if session.get(SeenMessage, (workspace_id, digest)) is not None:
        raise InvalidPreview()
    bulk.insert(session, SeenMessage, [{"workspace_id": workspace_id, "digest": digest, "seen_at": now}])
    return content, _sign(content, "pass", secret_key, now + PASS_FOR)


def answer(session: Session, content: Content, workspace_key: str, given: str, language: str | None) -> bytes:
    """What a page gets instead of its contents: the draft alone, not started, whoever looks at it."""
    draft = content.draft
    shown = {
        "id": content.id,
        "version": content.published_version or 0,
        **rendering.render(draft, language),
        "start": "auto",
        "theme": themes.looks(session, content.workspace_id).of(draft["theme"]),
        "rule": None,
        "eligible": True,
        "state": {"state": "not_started", "session_id": None, "step_id": None, "items": {}, "times_shown": 0},
    }
    return msgspec.json.encode(
        {
            "workspace": workspace_key,
            "known": False,
            "verified": False,
            "traits": {},
            "visit": 1,
            "settings": {"to_segment": False, "event_names": {}},
            "completed": [],
            "unreported": [],
            "contents": [shown],
            "preview": given,
        }
    )


def _address(page: str, token: str) -> str:
    return f"{page}{'&' if '#' in page else '#'}{MARK}{token}"


def _sign(content: Content, kind: Kind, secret_key: str, until: dt.datetime) -> str:
    said = {"content": content.id, "kind": kind, "until": int(until.timestamp()), "nonce": secrets.token_hex(8)}
    return str(_signer(secret_key).dumps(said))


def _signer(secret_key: str) -> URLSafeSerializer:
    # Expiry is our own field and not itsdangerous' timestamp, since `now` is an argument of every rule here.
    return URLSafeSerializer(secret_key, salt=SALT, signer_kwargs={"digest_method": hashlib.sha256})
