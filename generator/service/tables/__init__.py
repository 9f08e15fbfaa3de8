"""Check tables of inputs before a job runs them."""
