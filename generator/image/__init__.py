"""Name, find, build, and query the images of a repository."""
