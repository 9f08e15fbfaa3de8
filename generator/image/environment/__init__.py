"""Build plain Python environments: packmill's own build pack for repo2docker."""
