"""Values of a run as callers send them: JSON, texts of queries and forms, and files."""
