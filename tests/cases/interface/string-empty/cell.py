s = ''
t = ""  # type: string
