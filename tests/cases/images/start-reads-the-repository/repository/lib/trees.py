height = 3
