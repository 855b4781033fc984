"""Passages of the project around a notebook: its Python and Markdown files, found by names and words. Reads files only."""
