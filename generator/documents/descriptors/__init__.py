"""Emit the JSON descriptors of a package, one module per platform."""
