"""packmill: a git repository with a notebook becomes an application package."""

__version__ = "0.1.0"
