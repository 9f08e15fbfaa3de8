"""Not a notebook."""

print(1)
