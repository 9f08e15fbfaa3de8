"""Keep the public name of packmill's build pack for repo2docker configurations."""
