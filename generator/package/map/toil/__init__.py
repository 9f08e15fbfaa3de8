"""``packmill map --engine toil``: rows as jobs of a cluster, by a Toil workflow (`templates/toil/packmill_rows.py`)."""
