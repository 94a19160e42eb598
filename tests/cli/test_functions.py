"""`productfruits function`: tried from a file without a store, saved and deployed with one."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from productfruits.cli import main
from tests.cli.conftest import Run, document, refusal


def test_a_function_is_tried_from_a_file(tmp_path: Path) -> None:
    file, event = tmp_path / "f.js", tmp_path / "e.json"
    file.write_text("async function onTrack(event, settings) { console.log('hi'); return [event.event, settings.key] }")
    event.write_text('{"type": "track", "event": "Paid"}')
    tried = document(_test(file, "--event", str(event), "--setting", "key=v", "--json"))
    assert (tried["returned"], tried["log"]) == (["Paid", "v"], [{"level": "log", "text": "hi"}])
    file.write_text("function onRequest(request) { Segment.track({ userId: request.json().id, event: 'x' }) }")
    event.write_text('{"headers": {"Content-Type": "application/json"}, "body": {"id": "u"}}')
    assert document(_test(file, "--event", str(event), "--json"))["calls"] == [
        {"userId": "u", "event": "x", "type": "track"}
    ]


def test_a_function_that_is_tried_has_its_crypto(tmp_path: Path) -> None:
    (tmp_path / "f.js").write_text(
        "function onTrack() { return crypto.createHmac('sha256', 'key').update('data').digest('hex').slice(0, 8) }"
    )
    assert document(_test(tmp_path / "f.js", "--json"))["returned"] == "5031fe3d"


@pytest.mark.parametrize(
    ("code", "event", "told"),
    [
        ("function onTrack() { throw new ValidationError('no') }", "{}", "Message Rejected: ValidationError: no"),
        ("function onTrack( {", "{}", "SyntaxError"),
        ("function onTrack() {}", "[]", "must hold one JSON object"),
        ("", "{}", "is empty"),
    ],
)
def test_what_fails_says_why(tmp_path: Path, code: str, event: str, told: str) -> None:
    (tmp_path / "f.js").write_text(code)
    (tmp_path / "e.json").write_text(event)
    failed = _test(tmp_path / "f.js", "--event", str(tmp_path / "e.json"))
    assert failed.exit_code == 1 and told in failed.stderr


def test_a_function_is_saved_and_deployed(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "f.js"
    file.write_text("function onTrack() {}")
    document(run("workspace", "create", "Acme", "--json"))
    assert "PRODUCTFRUITS_FUNCTIONS=on" in refusal(run("function", "deploy", str(file), "--name", "Mine"))
    monkeypatch.setenv("PRODUCTFRUITS_FUNCTIONS", "on")
    for number in (1, 2):
        deployed = document(run("function", "deploy", str(file), "--name", "Mine", "--json"))
        assert deployed == {"function": "mine", "version": number, "instances": 0}
        file.write_text("function onPage() {}")
    assert "mine" in run("function", "list").stdout


def _test(file: Path, *more: str) -> Result:
    """It needs no store, so none is made."""
    return CliRunner().invoke(main, ("function", "test", str(file), *more))
