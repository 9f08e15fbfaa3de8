x = 1
y::Float64 = 2.5 # the y
n::Int64 = 3
s = "a\"b"
flag = true
nothing_here = nothing
xs = [1, 2, 3]
d = Dict("a" => 1)
const c = 5 # type: int
big = 1_000
