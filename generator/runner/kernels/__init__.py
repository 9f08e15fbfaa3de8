"""Kernels: found, started, spoken with, ended."""
