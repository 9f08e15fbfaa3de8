time: float = 5.0
