using Dates
when = now()
text = "a $x"
a = 1; b = 2
f(x) = x + 1
v = [i for i in 1:3]
m = r"a"
