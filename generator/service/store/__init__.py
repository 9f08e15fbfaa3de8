"""Keep pipelines, jobs, tokens and sessions in a database."""
