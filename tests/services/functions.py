"""Functions for tests in one line, each in a workspace of its own with one instance."""

from typing import Any

from cryptography.fernet import Fernet
from sqlalchemy.orm import Session

from productfruits.functions import definitions
from productfruits.models import Function, FunctionInstance
from productfruits.services import function_instances, functions
from productfruits.services.vault import Vault
from tests.services import factories
from tests.services.messages import NOW

API_KEY = dict(definitions.API_KEY)
VAULT = Vault([Fernet.generate_key().decode()])
CODE = "async function onTrack(event, settings) { console.log(settings.apiKey); throw new RetryError(settings.apiKey) }"


def make(session: Session, kind: str = "destination", code: str = CODE, **values: Any) -> FunctionInstance:
    """A function in a workspace of its own, with one instance."""
    owner = factories.workspace(session)
    handlers = ("onRequest",) if kind == "source" else ("onTrack",)
    shape = {"name": "To Slack", "kind": kind, "code": code, "settings": [API_KEY]}
    function = functions.create(session, owner.id, shape, handlers, "ada@example.com", NOW)
    return function_instances.connect(session, function, "Sales", {"apiKey": "sk-123456", **values}, NOW, VAULT)


def shape_of(function: Function, **changes: Any) -> dict[str, Any]:
    latest = function.latest
    kept = {"name": function.name, "kind": function.kind, "code": latest.code, "settings": latest.settings}
    return {**kept, **changes}
