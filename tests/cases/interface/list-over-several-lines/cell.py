xs = [
    1,
    2,  # the second
]  # type: int[] some numbers
ys = [  # type: string[]
    'a',
]
