"""Exchange repositories with git: addresses, checkouts, deposits, and safe reads of a checkout."""
