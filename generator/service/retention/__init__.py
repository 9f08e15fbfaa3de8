"""How much the service stores, and what it removes to stay within its limits."""
