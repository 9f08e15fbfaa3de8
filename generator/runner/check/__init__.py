"""Check whether an image can run a process, and list what it contains."""
