f = lambda x: x
(y := 3)
z = [i for i in range(3)]
