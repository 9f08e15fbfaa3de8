"""Pipelines at the times of cron expressions: the thread that starts them, and the checks of what people set."""
