"""What the authors of a process state about it: metadata and resources, one module per source in ``sources/``."""
