a: list[int] = [1]
b: List[str] = ['x']
c: Sequence[float] = [1, 2]
d: tuple[int, ...] = (1, 2)
e: dict[str, int] = {'a': 1}
f: typing.Optional[typing.List[int]] = None
g: list[Optional[int]] = [1]
h: list[list[int]] = [[1]]
