a = 1
if a > 0
  b = 2
c = 3
