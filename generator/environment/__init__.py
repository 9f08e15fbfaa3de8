"""Read what the environment files of a repository ask for."""
