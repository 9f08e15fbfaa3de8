a = 1  # type: int?
b = None  # type: string?
c = ''  # type: string? may be empty
