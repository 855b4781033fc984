"""Measuring the live state within a time limit: tables and their columns, keys, joins, files, the last result."""
