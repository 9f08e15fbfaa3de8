a: int = 1
b: float = 1
c: str = 'x'
d: bool = False
e: list = [1]
f: dict = {'a': 1}
g: tuple = (1, 2)
h: object = 'x'
