"""Prepare a notebook of an author: tag its parameters cell and add the types that its values show.

Every change is an insertion into the file's text, so all other bytes stay as they are.
"""
