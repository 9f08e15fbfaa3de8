"""Read the git repository whose pipelines run, and its pipeline file."""
