"""Look up branches, notebooks and interfaces of repositories for forms, in confined processes with limits."""
