"""Emit the CWL documents of a package."""
