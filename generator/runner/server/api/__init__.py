"""The server's own API: notebooks, runs and their results, as JSON."""
