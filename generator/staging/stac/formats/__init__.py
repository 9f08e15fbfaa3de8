"""Read the headers of result files: where and when their data are, and how they are arranged.

`program.py` runs in a process of its own, because the files come from the repository's code and one may break its
reader. `reading.py`, one folder up, starts it.
"""
