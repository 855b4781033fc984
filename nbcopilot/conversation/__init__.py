"""A conversation about a notebook: turns that are kept beside it, and follow-ups that know them."""
