"""Work with a finished package on disk: check it, run it, and read its values."""
