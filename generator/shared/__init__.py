"""Definitions that generator, runner and staging share; part of every image."""
