"""`productfruits keys`: the encryption keys under which Segment's secrets are stored."""

import click

from productfruits import config
from productfruits.cli import store
from productfruits.cli.output import json_option, say, show, table
from productfruits.services import audit, keyring
from productfruits.services.keyring import KeyMissing
from productfruits.workers.keyless import keyless_session


@click.group()
def keys() -> None:
    """Change the keys that encrypt secrets in the store, or give up a lost one."""


@keys.command()
@json_option
def status(as_json: bool) -> None:
    """Say which key ids this server has and how many secrets each encrypts."""
    settings = config.load()
    with keyless_session(settings) as session:
        used = keyring.usage(session)
        try:
            here = keyring.unlock(settings, session, make=False).vault.key_ids
        except KeyMissing as err:
            here = ()
            say(str(err))
    found = [
        {"key": key, "here": key in here, "newest": here[:1] == (key,), "secrets": used.get(key, 0)}
        for key in (*here, *sorted(set(used) - set(here)))
    ]
    rows = [(row["key"], "yes" if row["here"] else "MISSING", row["secrets"]) for row in found]
    show({"keys": found}, as_json, table(("KEY", "HERE", "SECRETS"), rows) if rows else "No key is in use yet.")


@keys.command()
@json_option
def reencrypt(as_json: bool) -> None:
    """Encrypt every stored secret again with the newest key, so that older keys can be taken out."""
    with store.opened() as runtime, runtime.writing() as session:
        count = keyring.reencrypt(session, runtime.vault)
        newest = runtime.vault.key_ids[0]
        audit.record(
            session,
            workspace_id=None,
            actor="cli",
            action="secret.reencrypted",
            now=store.now(),
            detail={"key": newest, "secrets": count},
        )
    show({"key": newest, "secrets": count}, as_json, f"{count} secrets were encrypted again with key {newest}.")


@keys.command("give-up")
@click.argument("key_id", metavar="KEY_ID")
@json_option
def give_up(key_id: str, as_json: bool) -> None:
    """End every secret that only the lost key KEY_ID can read; afterwards make new ones with `segment rotate`."""
    with keyless_session(config.load()) as session:
        count = keyring.give_up(session, key_id, store.now())
        audit.record(
            session,
            workspace_id=None,
            actor="cli",
            action="secret.given_up",
            now=store.now(),
            detail={"key": key_id, "secrets": count},
        )
    show({"key": key_id, "secrets": count}, as_json, f"{count} secrets have ended.")
    say("Make new ones now, and paste them into Segment: productfruits segment rotate --workspace KEY")
