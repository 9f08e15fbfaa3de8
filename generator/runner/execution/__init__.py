"""Execute a notebook and collect its outputs."""
