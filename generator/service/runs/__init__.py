"""Runs of packages: what is stored of their values, what they left, and how two of them differ."""
