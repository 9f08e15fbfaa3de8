a = 2
b = a * 3
c = 1 + 2
text = f'{a}.png'
negated = not True
picked = 1 if a else 2
