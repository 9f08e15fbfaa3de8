flag = True
off = False  # type: bool
other: bool = True  # the doc
