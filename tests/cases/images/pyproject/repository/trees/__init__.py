height = 30
