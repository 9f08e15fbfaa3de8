a = []  # type: int[]
b = ['x']  # type: string[]
c = None  # type: float[]?
d = []  # type: file[]
e = ['a']  # type: any[]
