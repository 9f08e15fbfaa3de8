"""Runs at the times of cron expressions: what is stored of them, their times, and the task that starts the runs."""
