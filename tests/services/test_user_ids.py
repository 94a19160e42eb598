"""Tests of the ids of users."""

import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor

from productfruits.services import user_ids


def test_ids_made_one_after_another_are_in_order() -> None:
    ids = [user_ids.new() for _ in range(10_000)]
    assert ids == sorted(set(ids))


def test_threads_never_make_the_same_id() -> None:
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: user_ids.new(), range(10_000)))
    assert len(set(ids)) == 10_000


def test_an_id_is_a_uuid_of_version_seven() -> None:
    made = uuid.UUID(user_ids.new())
    assert (made.version, made.variant) == (7, uuid.RFC_4122)


def test_a_forked_process_does_not_repeat_what_its_parent_makes() -> None:
    program = (
        "import os\n"
        "from productfruits.services import user_ids\n"
        "user_ids.new()\n"
        "child = os.fork()\n"
        "os.write(1, user_ids.new()[-16:].encode() + b' ')\n"
        "if child: os.waitpid(child, 0)\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout
    assert len(set(said.split())) == 2
