"""Runs in PostgreSQL, for several replicas of the server; procrastinate is the queue."""
