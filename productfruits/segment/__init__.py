"""Segment's side of the conversation, as pure functions: bytes in, values out, no framework and no store."""
