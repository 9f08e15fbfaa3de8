a = 1 + 2
b = "`date`"
f(x) = x**2
set terminal png
c = NaN
array d[3]
e = 1
if (a == 3) {
  e = 2
}
g = sprintf("%d", 3)
