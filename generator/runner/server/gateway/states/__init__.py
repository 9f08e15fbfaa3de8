"""Where handlers run: with fresh state for each request, in shared Python processes, or in kernels of any language."""
