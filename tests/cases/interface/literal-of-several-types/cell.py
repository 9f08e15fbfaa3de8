from typing import Literal, Optional
mixed: Literal['a', 1, True] = 1
same: Literal['a', 'a'] = 'a'
union: Literal['a', 'b'] | Literal['b', 'c'] = 'c'
numbers: Literal[1] | Literal[2] = 2
text_or_number: Literal['x'] | int = 3
yes: Literal[True] = True
nothing: Literal[None] = None
named: Literal[Color.RED] = 'red'
large: Literal[1, 99999999999] = 1
