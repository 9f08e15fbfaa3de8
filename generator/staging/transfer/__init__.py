"""Transfer files: fetch, resume, cache, and check them."""
