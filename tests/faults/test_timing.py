"""Does the time that a refused signature takes tell how much of it was right? Measured, so part of `make campaign`.

The way of dudect (Reparaz, Balasch, Verbauwhede: "Dude, is my code constant time?", 2017): two kinds of input in random
order, the longest measurements cropped, Welch's t. Above 4.5 the two kinds take different times, by more than chance.
"""

import gc
import hmac
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from productfruits.segment.signature import BadSignature, sign, verify

pytestmark = pytest.mark.campaign

#: Of each kind.
MEASURED = 20_000
LARGEST_T = 4.5
#: What the process was interrupted in is longer by a thousand times and drowns the rest. Where the cut has to be
#: depends on the leak and on the machine, so several are made, by the times of both kinds together.
CROPS = (0.5, 0.8, 0.95)
#: A leak is there every time. What the machine does beside (its clock speed, its other work) can fall in step with one
#: kind once in a while, since neighbouring measurements are not independent as Welch's t supposes; not three times.
ATTEMPTS = 3
SECRET = b"whs_" + b"s" * 43
DIGEST_BYTES = 20

Check = Callable[[bytes, str], None]


@dataclass(frozen=True, slots=True)
class Trial:
    """A request whose digest is wrong in one byte only."""

    wrong_at: int
    body: bytes
    header: str


def trials(signed: Callable[[bytes], bytes]) -> list[Trial]:
    """Pairs, wrong at the first and at the last byte, each in random order and of another event.

    `signed` makes a body of an event; the signature is always that of the event.
    """
    made: list[Trial] = []
    for number in range(MEASURED):
        places = [0, DIGEST_BYTES - 1]
        random.shuffle(places)
        event = b'{"type":"track","messageId":"m%08d","userId":"u","event":"Clicked"}' % number
        for place in places:
            digest = bytearray.fromhex(sign(event, SECRET))
            digest[place] ^= random.randrange(1, 256)
            made.append(Trial(place, signed(event), digest.hex()))
    return made


def largest_t(check: Check, given: Sequence[Trial]) -> float:
    """How far apart the times of the two kinds are: the largest |t| of all crops."""
    times: dict[int, list[int]] = {0: [], DIGEST_BYTES - 1: []}
    gc.collect()
    gc.disable()
    try:
        for trial in given:
            began = time.perf_counter_ns()
            try:
                check(trial.body, trial.header)
            except BadSignature:
                took = time.perf_counter_ns() - began
            else:
                pytest.fail("a wrong signature was taken")
            times[trial.wrong_at].append(took)
    finally:
        gc.enable()
    first, last = times.values()
    cuts = statistics.quantiles(first + last, n=100)
    return max(
        abs(welch([took for took in first if took <= cut], [took for took in last if took <= cut]))
        for cut in (cuts[round(crop * 100) - 1] for crop in CROPS)
    )


def welch(some: Sequence[int], others: Sequence[int]) -> float:
    spread = statistics.variance(some) / len(some) + statistics.variance(others) / len(others)
    return float((statistics.fmean(some) - statistics.fmean(others)) / spread**0.5)


def by_x_signature(body: bytes, header: str) -> None:
    verify(body, x_signature=header, x_segment_signature=None, secrets=[SECRET])


def by_x_segment_signature(body: bytes, header: str) -> None:
    verify(body, x_signature=None, x_segment_signature=header, secrets=[SECRET])


def as_it_is(event: bytes) -> bytes:
    return event


def in_an_array(event: bytes) -> bytes:
    return b"[" + event + b',{"type":"page"}]'


@pytest.mark.parametrize(
    ("check", "signed"),
    [(by_x_signature, as_it_is), (by_x_segment_signature, as_it_is), (by_x_signature, in_an_array)],
)
def test_a_signature_wrong_at_its_end_takes_no_longer_than_one_wrong_at_its_beginning(
    check: Check, signed: Callable[[bytes], bytes]
) -> None:
    found: list[float] = []
    while len(found) < ATTEMPTS:
        found.append(largest_t(check, trials(signed)))
        if found[-1] < LARGEST_T:
            return
    pytest.fail(f"the time tells where a signature is wrong: |t| = {', '.join(f'{t:.1f}' for t in found)}")


def test_a_comparison_that_stops_at_the_first_wrong_byte_is_found() -> None:
    """The same measurement of what the check must not be."""

    def leak(body: bytes, header: str) -> None:
        digest = hmac.digest(SECRET, body, "sha1")
        for right, given in zip(digest, bytes.fromhex(header), strict=True):
            if right != given:
                raise BadSignature

    assert largest_t(leak, trials(as_it_is)) > LARGEST_T
