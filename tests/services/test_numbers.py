"""Groups, rejections and numbers of a workspace, beside a noisy one."""

import pytest
from sqlalchemy.orm import Session

from productfruits.services import groups, rejections, stats
from productfruits.services.rejections import Refused
from tests.services import factories
from tests.services.factories import NOW, workspace


def test_a_group_lists_its_members_by_name(session: Session) -> None:
    acme, noise = workspace(session), workspace(session)
    for name in ("zoe", "Ann", None):
        factories.member(session, factories.user(session, acme, name), "crew/1", plan="pro")
    factories.member(session, factories.user(session, noise, "eve"), "crew/1", plan="noise")
    group = groups.show(session, acme.id, "crew/1")
    assert group.traits == {"plan": "pro"}
    assert [user.username for user in groups.members(session, acme.id, "crew/1")] == ["Ann", "zoe", None]
    for unknown in ("crew", "\0", "\ud800"):
        with pytest.raises(groups.NoSuchGroup):
            groups.show(session, acme.id, unknown)


def test_the_newest_200_refusals_of_each_workspace_are_kept(session: Session) -> None:
    acme, noise = workspace(session), workspace(session)
    rejections.record(session, noise.id, [Refused(NOW, "webhook", "noise", "noise")])
    for start in (0, 150):
        refused = [Refused(NOW, "webhook", "code", str(number)) for number in range(start, start + 150)]
        rejections.record(session, acme.id, refused)
    first = rejections.page(session, acme.id, limit=150)
    rest = rejections.page(session, acme.id, limit=150, cursor=first.next_cursor)
    assert [row.detail for row in (*first.rows, *rest.rows)] == [str(number) for number in range(299, 99, -1)]
    assert [row.reason for row in rejections.page(session, noise.id).rows] == ["noise"]


def test_numbers_count_users_visitors_and_events_without_deletes(session: Session) -> None:
    acme, noise = workspace(session), workspace(session)
    ann = factories.user(session, acme, "ann")
    for owner, of, values in (
        (acme, ann, {"anonymous_id": "linked"}),
        (acme, None, {"anonymous_id": "a"}),
        (acme, None, {"anonymous_id": "a", "type": "page"}),
        (acme, None, {"anonymous_id": "b", "type": "page"}),
        (acme, None, {"anonymous_id": None, "matched_by": "none"}),
        (acme, None, {"type": "delete"}),
        (noise, None, {"anonymous_id": "noise"}),
    ):
        factories.event(session, owner, of, **values)
    factories.member(session, ann, "g")
    numbers = stats.of_workspace(session, acme.id)
    assert numbers == stats.Stats(users=1, anonymous=2, groups=1, events=5, events_by_type={"page": 2, "track": 3})
    assert stats.of_workspace(session, workspace(session).id) == stats.Stats(0, 0, 0, 0, {})
