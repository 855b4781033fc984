"""Edits of code that need no model, and how much of an edit is needed.

    autofix       adds a missing import or head above an answer       quickfixes    edits that an error itself names
    small_edits   programs one small edit away (search-based repair)  minimal       puts back what a fix does not need
    confirm       was the fault seen, is it gone

Edits are values: whether one helps is found out by running it.
"""
