"""The form in which documents are written, made from their schemas: no field of a document can be missing in it.

`controls` makes the form of a document, `reading` makes a document of what the form sent, `rules` does both for rules.
"""
