highest = 116
