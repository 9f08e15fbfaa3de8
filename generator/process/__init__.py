"""Find the file that runs, and derive its interface."""
