start=today-1mo  # type: date the first day
bbox=(-10.5 36 -6 42.2)  # type: bbox
n=3  # type: int[1..10] K
