"""Run a process as the CWL of a package calls it."""
