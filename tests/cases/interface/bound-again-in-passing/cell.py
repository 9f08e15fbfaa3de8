x = 1
y = 2
z = 3
w = 4
v = 5
for x in range(3):
    pass
with open('f') as y:
    pass
print(z := 3)
import os as w
def v():
    pass
xs = [1]
xs.append(2)
d = {}
d.update(a=1)
s = 'a'
s.upper()
