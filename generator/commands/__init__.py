"""The commands of packmill, one module each: ``add`` declares it, ``run`` runs it."""
