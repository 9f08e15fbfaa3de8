%%time
n = 3  # type: int
