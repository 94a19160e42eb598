"""What ids are kept under: by the time they say, and by a hash that tells them apart."""

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from productfruits.services.adoption_events import event_digest
from productfruits.services.seen_messages import digest

AT = 1_767_225_600_000
UUID4 = "0f1e2d3c-4b5a-4697-8877-665544332211"


@pytest.mark.parametrize("library", ["ajs", "node"])
def test_ids_of_segments_libraries_lie_in_the_order_of_their_times(library: str) -> None:
    kept = [digest(f"{library}-next-{AT + later}-{UUID4}") for later in (0, 1, 1_000, 10**9)]
    assert kept == sorted(kept)
    assert [int(each[:12], 16) for each in kept] == [AT, AT + 1, AT + 1_000, AT + 10**9]


def test_uuids_of_version_7_lie_in_the_order_of_their_times() -> None:
    assert event_digest("019b76da-a800-7000-8000-0123456789ab").startswith("019b76daa800")
    assert digest("019B76DA-A800-7000-8000-0123456789AB").startswith("019b76daa800")


@pytest.mark.parametrize(
    "message_id",
    [
        UUID4,
        "ajs-next-0123456789abcdef0123456789abcdef",  # older releases of analytics.js
        f"ajs-next-{AT}",
        f"ajs-next-1{AT}-{UUID4}",
        f"x {AT}-{UUID4}",
        "019b76da-a800-7000-8000-0123456789ab ",
        "ajs-next-١٢٣٤٥٦٧٨٩٠١٢٣-x",
        "",
    ],
)
def test_an_id_that_says_no_time_is_a_hash(message_id: str) -> None:
    assert digest(message_id) == hashlib.blake2b(message_id.encode(), digest_size=16).hexdigest()


def test_ids_of_one_moment_are_told_apart() -> None:
    kept = {digest(f"ajs-next-{AT}-{n}") for n in range(10_000)}
    assert len(kept) == 10_000


def test_an_id_in_other_letters_is_another_id() -> None:
    assert digest("019B76DA-A800-7000-8000-0123456789AB") != digest("019b76da-a800-7000-8000-0123456789ab")


def test_events_and_messages_with_one_id_are_kept_apart() -> None:
    for each in (UUID4, "019b76da-a800-7000-8000-0123456789ab", f"ajs-next-{AT}-{UUID4}"):
        assert digest(each) != event_digest(each)


@given(st.text() | st.from_regex(r"(ajs|node)-next-\d{13}-.*", fullmatch=True))
def test_every_id_has_a_key_of_one_form(message_id: str) -> None:
    assert re.fullmatch("[0-9a-f]{32}", digest(message_id))
