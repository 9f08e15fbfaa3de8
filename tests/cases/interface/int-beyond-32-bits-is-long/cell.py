n = 3000000000  # type: int
m = 9007199254740993  # type: long
small = -2147483648  # type: int
xs = [1, 3000000000]  # type: int[]
