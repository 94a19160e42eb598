"""Why does a user see a content, or not? Every gate of every content in words, for pages, admins and the API alike."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from productfruits.adoption import gates, page
from productfruits.adoption.evaluate import Residual
from productfruits.adoption.gates import Case, Verdict
from productfruits.adoption.page import Page
from productfruits.models import Content
from productfruits.services import adoption_settings, audiences, content_states, contents, sites, subjects
from productfruits.services.content_states import Owner


@dataclass(frozen=True, slots=True)
class Explained:
    """What every gate says of one content for one user. `known` of a verdict is for admins, never for pages."""

    content: Content
    verdicts: Sequence[Verdict]

    @property
    def shows(self) -> bool:
        """Whether it may start by itself now, as far as that is known here."""
        return all(verdict.passed for verdict in self.verdicts)

    @property
    def closed(self) -> Verdict | None:
        """The first gate that is closed."""
        return next((verdict for verdict in self.verdicts if not verdict.passed), None)


def explain(
    session: Session,
    workspace_id: int,
    owner: Owner,
    now: dt.datetime,
    *,
    url: str | None = None,
    language: str | None = None,
    verified: bool = True,
    keys: Iterable[str] | None = None,
) -> list[Explained]:
    """What the gates say of every content that is not archived, or of those with these keys, for a user or visitor.

    With the address of a page also what its gate says. `verified`: as if the page had proved who the user is.
    """
    kind, owner_id = owner
    saved = audiences.rules_by_key(session, workspace_id)
    policy = sites.policy(adoption_settings.of(session, workspace_id))
    live = {each.id: each for each in contents.live(session, workspace_id)}
    every = contents.every(session, workspace_id)
    own = {content_id: state for (_, content_id), state in content_states.load(session, workspace_id, [owner]).items()}
    candidates = {content.id: sites.candidate(content, live.get(content.id), saved) for content in every}
    asks = frozenset(ask for candidate in candidates.values() for ask in candidate.targeting.asks)
    user_id, anonymous_id = (owner_id, None) if kind == "user" else (None, owner_id)
    subject = subjects.load(session, workspace_id, user_id, anonymous_id, asks, now)
    progress = {
        content.id: content_states.progress(content.id, content.kind, own[content.id])
        for content in every
        if content.id in own
    }
    wanted = None if keys is None else set(keys)
    explained = []
    for content in every:
        if wanted is None or content.key in wanted:
            case = Case(
                candidates[content.id],
                policy,
                subject,
                verified,
                now,
                progress.get(content.id),
                list(progress.values()),
            )
            explained.append(Explained(content, [*gates.verdicts(case), *_on_page(case, url, language)]))
    return explained


def _on_page(case: Case, url: str | None, language: str | None) -> list[Verdict]:
    left = gates.left_for_the_page(case)
    if url is None and language is None:
        return []
    if not isinstance(left, Residual):
        return [Verdict("page", True)]
    return [page.verdict(left.tree, Page(url=url, language=language))]
