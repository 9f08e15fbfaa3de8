y: float | None = None
z: Optional[int] = None
w: None | str = None
v: Union[int, None] = None
