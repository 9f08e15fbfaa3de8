x = None  # type: string
n = None  # type: int
any = None
file = None  # type: file
