a: int | float = 1
b: int | str = 1
c: 'int' = 2
d: Annotated[int, 'x'] = 3
e: Final[str] = 'y'
