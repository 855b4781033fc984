"""The version of the package: the one place. pyproject.toml reads it from here; a test holds labextension/ to it."""

__version__ = "0.1.0"
