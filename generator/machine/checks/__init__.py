"""The checks of ``packmill doctor``, one module per subject."""
