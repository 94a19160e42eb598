"""`productfruits admin` and `setup-link`: who may log in. There is no mail: links are printed here and handed over."""

import sys

import click

from productfruits.cli import store
from productfruits.cli.output import json_option, say, show
from productfruits.errors import ProductFruitsError
from productfruits.models import ROLES
from productfruits.services import admins, one_time_links, operator


class NoPassword(ProductFruitsError):
    """No password was given. Pipe it in with --password-stdin, or print a link: productfruits admin invite EMAIL"""


@click.command("setup-link")
@json_option
def setup_link(as_json: bool) -> None:
    """Print the link that makes the first admin; it works until it is used."""
    with store.opened() as runtime, runtime.reading() as session:
        if admins.exist(session):
            raise admins.SetupDone()
        link = one_time_links.setup_link(runtime.settings.base_url, runtime.keyring.secret_key)
    show({"setup_link": link}, as_json, link)


@click.group()
def admin() -> None:
    """Make and invite those who log in here."""


@admin.command()
@click.argument("email")
@click.option("--password-stdin", is_flag=True, help="Read the password from stdin, one line.")
@store.workspace_option
@json_option
def create(email: str, password_stdin: bool, workspace_key: str | None, as_json: bool) -> None:
    """Make an admin who owns the workspace, or all there are when none is named."""
    if not password_stdin:
        raise NoPassword()
    password = sys.stdin.readline().rstrip("\r\n")
    with store.opened() as runtime, runtime.writing() as session:
        made = operator.create_admin(session, email, password, workspace_key, store.now())
    show({"email": made.email}, as_json, f"{made.email} may log in.")


@admin.command()
@click.argument("email")
@store.workspace_option
@click.option("--role", type=click.Choice(ROLES), default="owner", show_default=True, help="What the admin may do.")
@json_option
def invite(email: str, workspace_key: str | None, role: str, as_json: bool) -> None:
    """Print a link under which EMAIL chooses a password within 24 hours."""
    with store.opened() as runtime, runtime.writing() as session:
        made, link = operator.invite(
            session,
            email,
            workspace_key,
            role,
            base_url=runtime.settings.base_url,
            secret_key=runtime.keyring.secret_key,
            now=store.now(),
        )
    show({"email": made.email, "link": link}, as_json, link)
    say(f"Hand this link to {made.email}: it works once, for 24 hours.")


@admin.command()
@click.argument("email")
@json_option
def reset(email: str, as_json: bool) -> None:
    """Print a link under which EMAIL chooses a new password within 24 hours."""
    with store.opened() as runtime, runtime.writing() as session:
        found, link = operator.reset(
            session,
            email,
            base_url=runtime.settings.base_url,
            secret_key=runtime.keyring.secret_key,
            now=store.now(),
        )
    show({"email": found.email, "link": link}, as_json, link)
    say(f"Hand this link to {found.email}: it works once, for 24 hours. The old password works until then.")
