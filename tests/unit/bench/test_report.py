"""A gate that can not fail, or a table in the wrong place, would say that all is well."""

from pathlib import Path

import pytest

from bench.correctness import HotKeys, Killed
from bench.machine import Machine
from bench.report import MarkersMissing, Report, write
from bench.rules import Evaluation
from bench.throughput import Figure

MACHINE = Machine(cores=2, python="3.11", sqlite="3.40", system="Linux", fsyncs_per_s=7_000)


def figure(subject: str, rate: float, load: str = "singles", refused: int = 0, unstored: int = 0) -> Figure:
    return Figure("sqlite", load, subject, [rate, rate * 2, rate], [1.0], [2.0], [0.1], [80.0], refused, unstored)


def hot(lost_keys: int = 0, duplicate_users: int = 0, duplicate_events: int = 0, lost_events: int = 0) -> HotKeys:
    return HotKeys(
        "sqlite", "productfruits", 1, 100, 0, lost_keys, lost_keys, lost_events, duplicate_users, duplicate_events
    )


def killed(lost_at_start: int = 0, lost: int = 0) -> Killed:
    return Killed("sqlite", 50, 3, lost_at_start, lost, 0, 0)


def failed(figures: list[Figure], hot_keys: list[HotKeys], kills: list[Killed]) -> list[str]:
    gates = Report("python -m bench", MACHINE, figures, hot_keys, kills).gates()
    assert gates
    return [gate.name for gate in gates if not gate.passed]


@pytest.mark.parametrize(
    ("load", "rate", "passes"),
    [("singles", 500, True), ("singles", 499, False), ("batches", 1_000, True), ("batches", 999, False)],
)
def test_the_product_must_be_a_multiple_of_the_naive_app(load: str, rate: float, passes: bool) -> None:
    figures = [figure("productfruits", rate, load), figure("naive", 100, load)]

    assert (not failed(figures, [], [])) == passes


@pytest.mark.parametrize(("refused", "unstored"), [(1, 0), (0, 1), (0, -1)])
def test_speed_does_not_count_when_a_message_was_refused_or_not_stored_once(refused: int, unstored: int) -> None:
    figures = [figure("productfruits", 900, refused=refused, unstored=unstored), figure("naive", 100)]

    (gate,) = failed(figures, [], [])
    assert gate.startswith("singles on sqlite: requests refused")


@pytest.mark.parametrize("wrong", ["lost_keys", "duplicate_users", "duplicate_events", "lost_events"])
def test_any_loss_on_hot_users_fails(wrong: str) -> None:
    assert failed([], [hot()], []) == []
    assert len(failed([], [hot(**{wrong: 1})], [])) == 1


@pytest.mark.parametrize("wrong", ["lost_at_start", "lost"])
def test_any_acknowledged_message_lost_in_a_crash_fails(wrong: str) -> None:
    assert failed([], [], [killed()]) == []
    assert len(failed([], [], [killed(**{wrong: 1})])) == 1


@pytest.mark.parametrize(("p50", "passes"), [(50.0, True), (50.1, False)])
def test_rules_must_be_fast_enough_for_every_page(p50: float, passes: bool) -> None:
    report = Report("python -m bench", MACHINE, [], [], [], Evaluation(p50, 90.0, 12.0, 3.0))
    assert [gate.passed for gate in report.gates()] == [passes]
    assert "| 50 for one subject, 12 conditions each" in report.markdown()


def test_the_table_shows_medians_ranges_and_ratios() -> None:
    table = Report("python -m bench", MACHINE, [figure("productfruits", 800), figure("naive", 100)], [], []).markdown()

    assert "| sqlite | singles | productfruits | 800 (800-1,600) | 8.00 x |" in table


def test_it_writes_between_the_markers_and_keeps_the_words_around(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("Before\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nafter\n")

    write(page, "new\n")
    write(page, "newer\n")

    assert page.read_text() == "Before\n<!-- bench:begin -->\nnewer\n<!-- bench:end -->\nafter\n"


def test_it_refuses_a_page_without_markers(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("nothing here\n")

    with pytest.raises(MarkersMissing, match="bench:begin"):
        write(page, "new\n")
