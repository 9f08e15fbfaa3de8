n: int
name: str  # the name
