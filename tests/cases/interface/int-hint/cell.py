n = 86  # type: int
m: int = 86
negative = -3  # type: integer
