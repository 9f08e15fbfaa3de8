x = 12.5
n = 86
negative = -7
large = 3_000_000_000
