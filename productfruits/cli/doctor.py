"""`productfruits doctor`: what is wrong with this server, and the remedy."""

import dataclasses

import click

from productfruits import config
from productfruits.cli.output import json_option, show
from productfruits.config import InvalidSettings
from productfruits.workers import checkup
from productfruits.workers.checkup import Finding

MARKS = {"ok": "ok     ", "warning": "WARNING", "problem": "PROBLEM"}


@click.command()
@click.pass_context
@json_option
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Check settings, store, keys, disk, address and server; exit code 1 if something keeps it from working."""
    try:
        settings = config.load()
    except InvalidSettings as err:
        findings = [Finding("settings", "problem", str(err), "Correct it, then run productfruits doctor again.")]
    else:
        findings = [Finding("settings", "ok", "understood"), *checkup.examine(settings)]
    is_fit = all(finding.status != "problem" for finding in findings)
    document = {"ok": is_fit, "checks": [dataclasses.asdict(finding) for finding in findings]}
    show(document, as_json, "\n".join(_line(finding) for finding in findings))
    ctx.exit(0 if is_fit else 1)


def _line(finding: Finding) -> str:
    line = f"{MARKS[finding.status]}  {finding.check}: {finding.detail}"
    return f"{line}\n         {finding.remedy}" if finding.remedy else line
