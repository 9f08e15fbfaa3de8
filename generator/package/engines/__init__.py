"""Run a CWL document, one module per engine."""
