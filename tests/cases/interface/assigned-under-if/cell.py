n = 3  # type: int
if n > 2:
    n = 4
    other = 'x'
else:
    other = 'y'
