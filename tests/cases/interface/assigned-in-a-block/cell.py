with open('x') as f:
    text = f.read()
for i in range(3):
    total = i
try:
    import fast
    has_fast = True
except ImportError:
    has_fast = False
while False:
    never = 1
