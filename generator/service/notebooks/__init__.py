"""Render executed notebooks as pages."""
