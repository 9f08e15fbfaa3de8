"""Find, pull, or build the base image of environments."""
