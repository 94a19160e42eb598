"""`productfruits users`: look at, export and erase end users."""

import sys

import click

from productfruits.cli import store
from productfruits.cli.output import fields, json_option, printable, say, show, table
from productfruits.services import audit, documents, erasure, pages, user_export
from productfruits.services import users as found_users

USER_HELP = "USER is our id, an e-mail, a userId or an anonymousId."


@click.group()
def users() -> None:
    """List, show, export and erase the users of a workspace."""


@users.command("list")
@store.workspace_option
@click.option("--email", help="Only the user with this e-mail.")
@click.option("--username", help="Only the user with this userId, also a former or aliased one.")
@click.option("--anonymous-id", help="Only the user to whom this anonymousId was linked.")
@click.option("--limit", type=click.IntRange(1, pages.MAX_LIMIT), default=pages.DEFAULT_LIMIT, show_default=True)
@click.option("--cursor", help="Go on after a page: its next_cursor.")
@json_option
def list_(
    workspace_key: str | None,
    email: str | None,
    username: str | None,
    anonymous_id: str | None,
    limit: int,
    cursor: str | None,
    as_json: bool,
) -> None:
    """List users in the order in which they were made."""
    with store.opened() as runtime:
        workspace = store.chosen(runtime, workspace_key)
        with runtime.reading() as session:
            page = found_users.page(
                session,
                workspace.id,
                email=email,
                username=username,
                anonymous_id=anonymous_id,
                limit=limit,
                cursor=cursor,
            )
            document = documents.page("users", page, documents.user)
    rows = [(row["id"], row["username"], row["email"], row["last_seen_at"]) for row in document["users"]]
    show(document, as_json, table(("ID", "USERNAME", "E-MAIL", "LAST SEEN"), rows) if rows else "No users found.")
    if page.next_cursor is not None and not as_json:
        say(f"There are more: --cursor {page.next_cursor}")


@users.command("show", epilog=USER_HELP)
@store.workspace_option
@click.argument("user")
@json_option
def show_(workspace_key: str | None, user: str, as_json: bool) -> None:
    """Show one user with all ids and traits."""
    with store.opened() as runtime:
        workspace = store.chosen(runtime, workspace_key)
        with runtime.reading() as session:
            found = found_users.resolve(session, workspace.id, user)
            document = documents.user(found_users.show(session, workspace.id, found.id))
    pairs = [(name, value) for name, value in document.items() if name not in ("traits", "aliases")]
    pairs += [(alias["kind"], alias["value"]) for alias in document["aliases"]]
    pairs += [(f"traits.{name}", value) for name, value in document["traits"].items()]
    text = fields((printable(name), None if value is None else printable(str(value))) for name, value in pairs)
    show(document, as_json, text)


@users.command(epilog=USER_HELP)
@store.workspace_option
@click.argument("user")
@json_option
def export(workspace_key: str | None, user: str, as_json: bool) -> None:
    """Print everything that is stored about one user as JSON, with or without --json."""
    with store.opened() as runtime:
        workspace = store.chosen(runtime, workspace_key)
        with runtime.writing() as session:
            found = found_users.resolve(session, workspace.id, user)
            document = user_export.export(session, workspace.id, found.id)
            audit.record(
                session,
                workspace_id=workspace.id,
                actor="cli",
                action="export.made",
                now=store.now(),
                detail={"user": found.id},
            )
    show(document, True, "")


@users.command(epilog=USER_HELP)
@store.workspace_option
@click.argument("user")
@click.option("--yes", is_flag=True, help="Do not ask. Without a terminal nothing is asked anyway.")
@json_option
def erase(workspace_key: str | None, user: str, yes: bool, as_json: bool) -> None:
    """Erase one user and everything stored about the person. This cannot be undone."""
    with store.opened() as runtime:
        workspace = store.chosen(runtime, workspace_key)
        with runtime.reading() as session:
            user_id = found_users.resolve(session, workspace.id, user).id
        if not yes and sys.stdin.isatty():
            click.confirm(f"Erase user {user_id} for ever?", abort=True, err=True)
        with runtime.writing() as session:
            now = store.now()
            erased = erasure.erase(session, workspace.id, user_id, "cli", now)
            audit.record(
                session,
                workspace_id=workspace.id,
                actor="cli",
                action="user.erased",
                now=now,
                detail={"events": erased.events},
            )
    counts = {
        "users": erased.users,
        "aliases": erased.aliases,
        "events": erased.events,
        "memberships": erased.memberships,
        "conflicts": erased.conflicts,
        "dead_letters": erased.dead_letters,
    }
    show({"erased": counts}, as_json, fields((name.replace("_", " "), count) for name, count in counts.items()))
