a, b = 1, 'x'
(c, d) = pair()
[e, f] = [1, 2]
g, *rest = 1, 2, 3
h, (i, j) = 1, (2, 3)
