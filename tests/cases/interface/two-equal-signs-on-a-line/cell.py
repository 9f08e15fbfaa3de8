a = 'x == y'
os.makedirs('x', exist_ok=True)
b = 3  # must be >= 2
c = d == e
