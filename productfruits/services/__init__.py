"""The verbs. Functions that get a session first and never commit; no Flask, no click."""
