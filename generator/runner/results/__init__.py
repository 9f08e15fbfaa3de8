"""Write the results of a run: ``result.json`` and ``scraps.json``."""
