"""The command line, thin as views: parse, open a transaction, call a service, print."""

from productfruits.cli.program import main

__all__ = ["main"]
