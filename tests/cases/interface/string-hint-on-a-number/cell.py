version = 86  # type: string
code = '007'  # type: str
