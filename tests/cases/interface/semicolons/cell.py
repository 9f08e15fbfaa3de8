a = 1; b = 'x'  # type: string
