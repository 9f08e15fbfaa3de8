level: Literal[1, 2, 3] = 2
flag: Literal[True, False] = True
mixed: Literal['a', 1] = 'a'
