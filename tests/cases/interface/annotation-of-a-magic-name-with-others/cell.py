time: float = 5.0
other = 1
