a = 1  #type:int
b = 1  # TYPE: Int
c = 1  #  type :  INTEGER  the doc
d = 'x'  # type: String
