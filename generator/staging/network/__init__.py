"""Connect to servers on behalf of a staging step: guard, credentials, retries."""
