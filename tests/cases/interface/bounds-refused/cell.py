n = 11  # type: int[1..10] K
m = 3  # type: int[10..1]
k = 3  # type: int[1..x]
b = True  # type: bool[0..1]
d = '2014-01-01'  # type: date[2015-06-23..]
tile = '33UX'  # type: string[5..5]
