"""What operators need: logs, metrics, health, limits of requests, retention and an orderly shutdown."""
