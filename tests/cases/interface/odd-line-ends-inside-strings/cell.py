x = 'a b'
y = 'ab'
n = 1
