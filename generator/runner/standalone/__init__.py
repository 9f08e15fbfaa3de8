"""Run a notebook from anywhere to anywhere, as papermill does."""
