x = 1  # type: int the first
x = 2
y: int
y = 3
