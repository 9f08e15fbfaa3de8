"""Build packs of packmill's own for repo2docker, looked at before repo2docker's."""
