"""Processes that take runs from the queue and execute them one at a time, with the runner's own code."""
