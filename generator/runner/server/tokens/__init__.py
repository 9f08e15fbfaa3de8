"""Tokens of callers: created on the command line or given by the operator, known by their digests alone."""
