import os
from a import b
n = 3
print(n)
assert n > 2
n
pass
x.call(n)
