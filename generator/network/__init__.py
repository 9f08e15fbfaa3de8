"""Decide which addresses may be reached, and connect to nothing else."""
