def f(a=1):
    inner = 2
    return inner
class C:
    attribute = 1
if True:
    def g():
        hidden = 3
x = 1
