"""The sources of metadata: each module reads one kind of file, or one cell, and invents nothing."""
