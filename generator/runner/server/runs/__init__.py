"""Runs as rows: what was asked, how far it is, how it ended; in SQLite, or in PostgreSQL for several replicas."""
