"""A small web app to try content in: two minutes after the first start a newcomer sees a tour and a checklist run.

It is what a customer's page is to us: it knows nothing of the admin who looks at it. The answer's own policy puts it
into a sandbox with an origin of its own, so that neither it nor content shown in it reaches our cookie or pages.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from flask import abort, make_response, render_template, request
from flask.typing import ResponseReturnValue

from productfruits.identity import verification
from productfruits.services import connections, identity_secrets
from productfruits.web import current_runtime
from productfruits.web.admin import gate
from productfruits.web.admin.gate import Place

#: As strict as a careful customer's: what works here works there. Images may come from anywhere, as authors name them.
POLICY = "; ".join(
    (
        "sandbox allow-scripts allow-forms allow-popups allow-popups-to-escape-sandbox",
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' https: data:",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'self'",
    )
)
PAGES = ("home", "projects", "reports", "settings")
#: Somebody who is done can look again as a user who has seen nothing.
RUNS = 999
SIGNED_FOR = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Persona:
    """A user of the imaginary app."""

    key: str
    first_name: str
    last_name: str
    role: str
    plan: str


PERSONAS = (
    Persona("maya", "Maya", "Okafor", "owner", "trial"),
    Persona("sam", "Sam", "Lindqvist", "member", "pro"),
)


@gate.page("/demo/<workspace>/", needs="viewer")
def show(place: Place) -> ResponseReturnValue:
    return _page(place, "home")


@gate.page("/demo/<workspace>/<demo_page>", needs="viewer")
def show_page(place: Place, demo_page: str) -> ResponseReturnValue:
    if demo_page not in PAGES[1:]:
        abort(404)
    return _page(place, demo_page)


def _page(place: Place, name: str) -> ResponseReturnValue:
    persona = next((one for one in PERSONAS if one.key == request.args.get("as")), PERSONAS[0])
    run = request.args.get("run", 1, type=int)
    run = run if 1 <= run <= RUNS else 1
    with current_runtime().reading() as store:
        connection = connections.of_workspace(store, place.workspace.id)
    answer = make_response(
        render_template(
            f"demo/{name}.html",
            page=name,
            workspace_key=place.workspace.key,
            personas=PERSONAS,
            persona=persona,
            run=run,
            sends=connection is not None and connection.active and connection.sends_events,
            next_run=run % RUNS + 1,
            user=_user(place, persona, run),
        )
    )
    answer.headers["Content-Security-Policy"] = POLICY
    answer.headers["X-Frame-Options"] = "SAMEORIGIN"
    return answer


def _user(place: Place, persona: Persona, run: int) -> dict[str, Any]:
    """What the page tells the snippet about its user, as `productFruits.init` takes it."""
    username = f"demo-{persona.key}-{run}"
    return {
        "username": username,
        "firstname": persona.first_name,
        "lastname": persona.last_name,
        "role": persona.role,
        "props": {"plan": persona.plan, "demo": True},
        **_proof(place, username),
    }


def _proof(place: Place, username: str) -> dict[str, Any]:
    """The identity hash, as a customer's server makes it; nothing where the workspace has no secret for it."""
    runtime, now = current_runtime(), gate.now()
    with runtime.reading() as store:
        secrets = identity_secrets.live(store, place.workspace.id, now, runtime.vault)
    if not secrets:
        return {}
    expiration = int((now + SIGNED_FOR).timestamp())
    return {"hmac": {"hash": verification.sign(secrets[-1].key, username, expiration), "expiration": expiration}}
