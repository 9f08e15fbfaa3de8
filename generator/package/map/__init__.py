"""``packmill map``: a package for every row of a table."""
