x = 1  # type: float
y = 2.5  # type: double
z = 1e-9  # type: double
whole = 5.0  # type: int
