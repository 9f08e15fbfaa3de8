    n = 3
    m = 'x'
