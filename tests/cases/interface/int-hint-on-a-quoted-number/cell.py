n = '10000'  # type: int
x = '1.5'  # type: float
flag = 'True'  # type: bool
