"""`productfruits segment`: the connection of a workspace to Segment."""

import datetime as dt

import click

from productfruits.cli import store
from productfruits.cli.output import fields, json_option, say, show, table
from productfruits.services import audit, connections
from productfruits.services.connections import webhook_url
from productfruits.services.documents import instant

MAX_OVERLAP_HOURS = int(connections.MAX_OVERLAP / dt.timedelta(hours=1))


@click.group()
def segment() -> None:
    """Connect a workspace to Segment, and change its secrets."""


@segment.command()
@store.workspace_option
@json_option
def activate(workspace_key: str | None, as_json: bool) -> None:
    """Make the webhook URL and its secret; both are shown once."""
    with store.opened() as runtime:
        workspace = store.chosen(runtime, workspace_key)
        with runtime.writing() as session:
            now = store.now()
            made = connections.activate(session, workspace, now, runtime.vault)
            audit.record(session, workspace_id=workspace.id, actor="cli", action="connection.activated", now=now)
        document = {
            "webhook_url": webhook_url(runtime.settings.base_url, made.webhook_token),
            "webhook_secret": made.webhook_secret,
            "write_key": made.write_key,
            "auth_token": made.auth_token,
        }
    show(
        document,
        as_json,
        fields(
            [
                ("Webhook URL", document["webhook_url"]),
                ("Shared secret", document["webhook_secret"]),
                ("Write key", document["write_key"]),
                ("Auth token", document["auth_token"]),
            ]
        ),
    )
    say("Secret and token are shown this once. In Segment: a Webhooks destination with this URL and shared secret.")


@segment.command()
@store.workspace_option
@click.option(
    "--overlap-hours",
    type=click.IntRange(0, MAX_OVERLAP_HOURS),
    default=24,
    show_default=True,
    help="How long the old secret goes on working; 0 ends it at once.",
)
@json_option
def rotate(workspace_key: str | None, overlap_hours: int, as_json: bool) -> None:
    """Make a new secret; the old one works on until you have changed it in Segment."""
    with store.opened() as runtime:
        workspace = store.chosen(runtime, workspace_key)
        with runtime.writing() as session:
            now = store.now()
            connection = connections.required(session, workspace.id)
            overlap = dt.timedelta(hours=overlap_hours)
            made = connections.rotate(session, connection, now, runtime.vault, overlap)
            audit.record(
                session,
                workspace_id=workspace.id,
                actor="cli",
                action="secret.rotated",
                now=now,
                detail={"fingerprint": made.fingerprint, "overlap_hours": overlap_hours},
            )
    document = {
        "webhook_secret": made.webhook_secret,
        "fingerprint": made.fingerprint,
        "old_until": instant(made.old_until),
    }
    show(
        document, as_json, fields([("Shared secret", made.webhook_secret), ("Old one until", instant(made.old_until))])
    )
    say("The secret is shown this once. Put it into Segment before the old one ends.")


@segment.command()
@store.workspace_option
@click.argument("secret_id", metavar="SECRET_ID", type=int)
@json_option
def revoke(workspace_key: str | None, secret_id: int, as_json: bool) -> None:
    """End one secret now (its number is in `segment status`); what it signs from now on is refused and lost."""
    with store.opened() as runtime:
        workspace = store.chosen(runtime, workspace_key)
        with runtime.writing() as session:
            now = store.now()
            connection = connections.required(session, workspace.id)
            ended = connections.revoke(session, connection, secret_id, now)
            audit.record(
                session,
                workspace_id=workspace.id,
                actor="cli",
                action="secret.revoked",
                now=now,
                detail={"fingerprint": ended.fingerprint},
            )
    show({"id": ended.id, "fingerprint": ended.fingerprint}, as_json, f"Secret {ended.fingerprint} has ended.")


@segment.command("renew-token")
@store.workspace_option
@json_option
def renew_token(workspace_key: str | None, as_json: bool) -> None:
    """Make a new auth token for servers and functions; the old one ends at once."""
    with store.opened() as runtime:
        workspace = store.chosen(runtime, workspace_key)
        with runtime.writing() as session:
            token = connections.renew_auth_token(session, connections.required(session, workspace.id))
            audit.record(
                session, workspace_id=workspace.id, actor="cli", action="connection.token_renewed", now=store.now()
            )
    show({"auth_token": token}, as_json, fields([("Auth token", token)]))
    say("The token is shown this once. Give it to your servers now: the old one is refused already.")


@segment.command()
@store.workspace_option
@json_option
def deactivate(workspace_key: str | None, as_json: bool) -> None:
    """Refuse everything from Segment; URL and secrets stay for `segment reactivate`."""
    _switch(workspace_key, as_json, active=False)


@segment.command()
@store.workspace_option
@json_option
def reactivate(workspace_key: str | None, as_json: bool) -> None:
    """Accept webhooks again, under the same URL and secrets."""
    _switch(workspace_key, as_json, active=True)


@segment.command()
@store.workspace_option
@click.argument("switch", type=click.Choice(["on", "off"]))
@json_option
def batches(workspace_key: str | None, switch: str, as_json: bool) -> None:
    """Accept arrays of messages or refuse them. Segment's signature covers only the first message of an array."""
    with store.opened() as runtime:
        workspace = store.chosen(runtime, workspace_key)
        with runtime.writing() as session:
            connection = connections.required(session, workspace.id)
            connections.set_accepts_batches(session, connection, switch == "on")
            audit.record(
                session,
                workspace_id=workspace.id,
                actor="cli",
                action="connection.batches_on" if switch == "on" else "connection.batches_off",
                now=store.now(),
            )
    show(
        {"accepts_batches": switch == "on"},
        as_json,
        f"Arrays of messages are {'accepted' if switch == 'on' else 'refused'}.",
    )


@segment.command()
@store.workspace_option
@json_option
def status(workspace_key: str | None, as_json: bool) -> None:
    """Say whether the connection is active, what came in, and which secrets are live."""
    with store.opened() as runtime:
        workspace = store.chosen(runtime, workspace_key)
        with runtime.reading() as session:
            now = store.now()
            connection = connections.required(session, workspace.id)
            live = connections.live_secrets(connection, now)
            document = {
                "active": connection.active,
                "webhook_url": webhook_url(runtime.settings.base_url, connection.token),
                "write_key": connection.write_key,
                "accepts_batches": connection.accepts_batches,
                "accepted": connection.accepted,
                "duplicates": connection.duplicates,
                "ignored": connection.ignored,
                "rejected": connection.rejected,
                "first_received_at": instant(connection.first_received_at),
                "last_received_at": instant(connection.last_received_at),
            }
            secrets = [
                {
                    "id": secret.id,
                    "fingerprint": secret.fingerprint,
                    "created_at": instant(secret.created_at),
                    "expires_at": instant(secret.expires_at),
                    "last_used_at": instant(secret.last_used_at),
                }
                for secret in live
            ]
    text = fields((name.replace("_", " ").capitalize(), value) for name, value in document.items())
    rows = table(("SECRET", "FINGERPRINT", "MADE", "ENDS", "LAST USED"), [list(secret.values()) for secret in secrets])
    show({**document, "secrets": secrets}, as_json, f"{text}\n\n{rows}")


def _switch(workspace_key: str | None, as_json: bool, *, active: bool) -> None:
    with store.opened() as runtime:
        workspace = store.chosen(runtime, workspace_key)
        with runtime.writing() as session:
            now = store.now()
            connection = connections.required(session, workspace.id)
            if active:
                connections.reactivate(session, connection, now)
            else:
                connections.deactivate(session, connection)
            action = "connection.reactivated" if active else "connection.deactivated"
            audit.record(session, workspace_id=workspace.id, actor="cli", action=action, now=now)
    show({"active": active}, as_json, "Webhooks are accepted." if active else "Webhooks are refused from now on.")
