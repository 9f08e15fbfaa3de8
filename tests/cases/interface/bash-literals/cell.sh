# the city to highlight
city=Lisbon          # type: string where it is
title="two  words"   # with a doc text
empty=
count=86             # type: int
share=-0.5
flag=true
quoted='it costs $5 and a `tick`'
escaped=a\ b\$
names=(a "b c" 'd')  # type: string[]
numbers=(1 2 3)
export shown=x; late=y
scene='/path/to/file' # type: stage-in
picture=image.png     # type: stage-out
over="one
two"
hash=a#b
