s = {1, 2}
b = b'abc'
z = 1j
inf = 1e999
dots = ...
