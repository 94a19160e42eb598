"""Functions in the store: versions, instances and their settings."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from productfruits.functions import definitions
from productfruits.functions.definitions import InvalidValues
from productfruits.functions.errors import InvalidCode
from productfruits.functions.runtime import Sandbox
from productfruits.models import FunctionInstance
from productfruits.services import function_instances, functions
from tests.services.functions import API_KEY, VAULT, make, shape_of
from tests.services.messages import NOW


@pytest.mark.parametrize(
    ("label", "key"),
    [("API Key", "apiKey"), ("Webhook URL", "webhookUrl"), ("channel", "channel"), ("1st ☃", "_1st"), ("☃", "setting")],
)
def test_a_key_is_made_from_the_label(label: str, key: str) -> None:
    assert definitions.key_of(label) == key
    assert definitions.KEY.fullmatch(key)


def test_saving_makes_a_version_and_deploying_runs_it(session: Session) -> None:
    instance = make(session)
    function = instance.function
    again = functions.save(session, function, shape_of(function), ("onTrack",), "ada", NOW)
    assert (again.number, len(function.versions)) == (1, 1)
    code = "function onTrack() {} function onPage() {}"
    saved = functions.save(session, function, shape_of(function, code=code), ("onTrack", "onPage"), "ada", NOW)
    assert (saved.number, instance.version.number) == (2, 1)
    assert functions.deploy(session, function, saved, [instance.id, 0]) == 1
    assert instance.version.number == 2
    runnable = function_instances.runnable(instance, VAULT)
    assert (runnable.code.source, runnable.settings) == (code, {"apiKey": "sk-123456"})
    with pytest.raises(functions.KindStays):
        functions.save(session, function, shape_of(function, kind="source"), ("onRequest",), "ada", NOW)
    with pytest.raises(functions.NoSuchVersion):
        functions.version(function, 9)


def test_a_source_function_cannot_name_its_own_address(session: Session) -> None:
    instance = make(session, "source")
    shape = shape_of(instance.function, code=f"fetch('https://x.example/functions/{instance.token}')")
    with pytest.raises(functions.OwnAddress, match="unable to send data or events back"):
        functions.save(session, instance.function, shape, ("onRequest",), "ada", NOW)


def test_what_code_must_be(sandbox: Sandbox) -> None:
    assert functions.check(sandbox, "source", "function onRequest() {} function onTrack() {}") == ("onRequest",)
    with pytest.raises(InvalidCode, match="SyntaxError"):
        functions.check(sandbox, "source", "function onRequest( {")
    with pytest.raises(functions.NoHandler, match="onTrack"):
        functions.check(sandbox, "destination", "function onRequest() {}")


def test_settings_are_typed_required_and_sensitive(session: Session) -> None:
    settings = definitions.with_keys(
        [API_KEY, {"label": "On", "type": "boolean"}, {"label": "Tags", "type": "array"}, {"label": "M", "type": "map"}]
    )
    values = {"apiKey": "sk-123456", "on": True, "tags": ["a"], "m": {"x": "y"}}
    assert definitions.check_values(settings, values) == values
    for wrong in ({"on": "yes"}, {"tags": "a"}, {"m": ["a"]}, {"apiKey": ""}, {"apiKey": 5}, {"nobody": "x"}):
        with pytest.raises(InvalidValues):
            definitions.check_values(settings, {**values, **wrong})
    assert definitions.check_values(settings, {"apiKey": None}, values)["apiKey"] == "sk-123456"
    assert definitions.shown(settings, values) == {**values, "apiKey": None}
    instance = make(session)
    assert b"sk-123456" not in instance.ciphertext
    document = function_instances.document(instance, "https://h.example", VAULT)
    assert "sk-123456" not in repr(document) and document["settings"] == {"apiKey": None}
    function_instances.change(session, instance, name="Other", values={"apiKey": None}, vault=VAULT)
    assert function_instances.values_of(instance, VAULT) == {"apiKey": "sk-123456"}


def test_another_setting_or_version_is_another_isolate(session: Session) -> None:
    instance = make(session)
    keys = {function_instances.runnable(instance, VAULT).code.key}
    function_instances.change(session, instance, name="Sales", values={"apiKey": "sk-7890123"}, vault=VAULT)
    keys.add(function_instances.runnable(instance, VAULT).code.key)
    assert len(keys) == 2


def test_nothing_is_left_of_a_deleted_function(session: Session) -> None:
    for kind in ("source", "destination"):
        function = make(session, kind).function
        functions.delete(session, function)
    assert session.scalars(select(FunctionInstance)).all() == []
