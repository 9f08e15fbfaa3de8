mode: Literal['a', 'b'] = 'a'
kind = 'x'  # type: Literal["x", "y z"] which one
maybe: Optional[Literal['u', 'v']] = None
none: Literal['u', None] = None
