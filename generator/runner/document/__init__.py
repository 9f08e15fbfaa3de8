"""Read, change, and save notebook documents."""
