"""Writes docs/reference/{settings,cli,http-api,reasons}.md from the code: .venv/bin/python scripts/reference.py

What is true of the code is printed from it; only the words around it are written here. A test compares the files.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from productfruits.adoption.reasons import REASONS
from productfruits.cli import main
from productfruits.config import PREFIX, SETTINGS
from productfruits.web.api import openapi
from productfruits.web.api.refusals import HTTP, INTERNAL, STATUSES, UNAVAILABLE

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"
NOTE = "<!-- Made by scripts/reference.py from the code. Change it there. -->"
EXAMPLE_SERVER = "http://127.0.0.1:8000"


def settings() -> str:
    rows = [(f"`{PREFIX}{setting.name}`", setting.default, setting.help) for setting in SETTINGS]
    return f"""# Settings

{NOTE}

All settings are environment variables. None is needed to begin: `make run` or `productfruits serve` works without.
A variable that begins with `{PREFIX}` and is not in this table stops the start, so that a slip of the pen is noticed.

{_table(("Variable", "Default", "What it is for"), rows)}

Each can also be given as a file: `{PREFIX}SECRET_KEY_FILE=/run/secrets/key` reads the value from there, without the
space around it. Give the variable or the file, not both.

## Keys

On an empty SQLite store the first start makes two files in the data folder that only their owner can read:
`secret.key` and `encryption.keys`. Everywhere else a missing key stops the start, and the message names the id of the
key that is needed: with Postgres, since every process must have the same one, and where the store holds secrets that a
new key could not read. [Self-hosting](../self-hosting.md) says what happens when one is lost or known.

`{PREFIX}ENCRYPTION_KEYS` (and the file, one a line) takes several keys, newest first. The newest encrypts; all of them
decrypt.

## Addresses

`{PREFIX}PUBLIC_URL` is what Segment's form, invitations and the setup link are made of. With https it also makes
cookies secure. `{PREFIX}HOST` and `{PREFIX}PORT` are where the server listens; port 0 takes a free one.
`{PREFIX}TRUSTED_PROXIES` names the reverse proxies whose `X-Forwarded-*` headers are believed.

Requests that this server sends (to destinations, from functions) go to public addresses only, however a name or number
is spelled. `{PREFIX}EGRESS_ALLOW` names private networks that they may go to as well. There is no such switch in the
pages: whoever may write a URL there must not reach the inside of your network with it.
"""


def cli() -> str:
    parts = [
        f"""# Command line

{NOTE}

`productfruits` reads the same [settings](settings.md) as the server and works on its store, also while it runs.

- `--json` prints one JSON document on stdout. Everything else goes to stderr.
- Exit codes: 0 done, 1 not done (the reason and the remedy are on stderr), 2 wrong usage.
- `--workspace KEY` may be left out while there is only one workspace.
- What is shown once (secrets, keys, links) cannot be shown again; make a new one instead.
"""
    ]
    parts += [_command(path, command) for path, command in commands(main, "productfruits")]
    return "\n".join(parts)


def http_api() -> str:
    described = openapi.document(EXAMPLE_SERVER)
    parts = [
        f"""# HTTP API

{NOTE}

{described["info"]["description"]}

Every server shows this as a page under `/api/docs`, and for programs as OpenAPI {openapi.VERSION} under
`/api/v1/openapi.json`.

```
curl -H "Authorization: Bearer $API_KEY" "{EXAMPLE_SERVER}/api/v1/users?email=ada@example.com"
```
"""
    ]
    parts += [_operation(operation) for operation in openapi.operations(described)]
    known = {code for _, code in STATUSES.values()}
    rows = [(f"`{code}`", str(status)) for status, code in sorted({*STATUSES.values()})]
    rows += [(f"`{code}`", str(status)) for status, (code, _) in HTTP.items() if code not in known]
    rows += [(f"`{UNAVAILABLE[0]}`", "503"), (f"`{INTERNAL[0]}`", "500")]
    rows.sort(key=lambda row: (row[1], row[0]))
    parts.append(
        f"""## Refusals

Every refusal is `{{"code": …, "message": …}}`. The code is for programs and does not change; the message says to people
what happened, why, and what to do. `invalid_request` also has `errors`: the reasons by field. A body that is not
readable JSON is refused with the codes of the webhook, like `invalid_json` or `too_deep`.

{_table(("Code", "Status"), rows)}
"""
    )
    return "\n".join(parts)


def reasons() -> str:
    rows = [(reason.gate, f"`{code}`", reason.about("…")) for code, reason in REASONS.items()]
    return f"""# Reasons

{NOTE}

Why a tour or checklist is not shown, gate by gate in the order in which they are asked. Where a reason has "…", it
names what it is about: a condition, a time, a content. From `page` on the browser gives the answers.
[Aiming](../aiming.md) says what each gate does.

{_table(("Gate", "Code", "In words"), rows)}
"""


FILES = {"settings.md": settings, "cli.md": cli, "http-api.md": http_api, "reasons.md": reasons}


def commands(command: click.Command, path: str) -> list[tuple[str, click.Command]]:
    """Every command below this one with its whole name, in the order of `--help`."""
    found: list[tuple[str, click.Command]] = []
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            _, called, _ = command.resolve_command(context, [name])
            assert called is not None
            found += commands(called, f"{path} {name}")
    else:
        found.append((path, command))
    return found


def _command(path: str, command: click.Command) -> str:
    arguments = [parameter for parameter in command.params if isinstance(parameter, click.Argument)]
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    usage = " ".join([path, *(argument.make_metavar(click.Context(command)) for argument in arguments)])
    text = " ".join((command.help or "").split())
    epilog = f" {command.epilog}" if command.epilog else ""
    rows = [(_option(option), _help(option)) for option in options]
    listed = f"\n{_table(('Option', ''), rows)}\n" if rows else ""
    return f"## {path}\n\n`{usage}`\n\n{text}{epilog}\n{listed}"


def _option(option: click.Option) -> str:
    name = "/".join([*option.opts, *option.secondary_opts])
    if option.is_flag:
        return f"`{name}`"
    if isinstance(option.type, click.Choice):
        return f"`{name} {'|'.join(map(str, option.type.choices))}`".replace("|", "\\|")
    return f"`{name} {option.metavar or (option.name or '').upper()}`"


def _help(option: click.Option) -> str:
    text = option.help or ""
    if isinstance(option.type, click.IntRange):
        text = f"{text} {option.type.min} to {option.type.max}.".strip()
    if option.show_default:
        text = f"{text} Default: {option.default}.".strip()
    return text


def _operation(operation: dict[str, Any]) -> str:
    parts = [f"## {operation['summary']}", f"`{operation['method']} {operation['path']}`"]
    if operation.get("description"):
        parts.append(operation["description"])
    for title, rows in (
        ("Parameter", operation["given"]),
        ("Body", operation["body"]),
        ("Answer", operation["answer"]),
    ):
        if rows:
            parts.append(_table((title, "Type", ""), [(f"`{name}`", kind, told) for name, kind, told in rows]))
    return "\n\n".join(parts) + "\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines).replace("|  |", "| |")


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, made in FILES.items():
        (FOLDER / name).write_text(made())
        sys.stdout.write(f"{FOLDER / name}\n")
