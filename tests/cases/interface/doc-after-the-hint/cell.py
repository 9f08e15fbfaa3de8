n = 3  # type: int number of tiles
m = 3  # type: int, number of tiles
k = 3  # type: int  # number of tiles
l = 3  # type: int - number of tiles
x = 2.5  # threshold in dB
y = 1  # type: int: with a colon
