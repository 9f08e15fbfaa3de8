"""The only place that starts processes. Commands are tuples; nothing goes through a shell."""
