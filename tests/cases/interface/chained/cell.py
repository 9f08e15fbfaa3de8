a = b = 3  # type: int
