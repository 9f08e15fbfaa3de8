x = 1
flag = true
if flag
    x = 2
end
function helper(a)
    n = 2
    if a
        n = 3
    end
end
struct P
    a::Int
end
#= x = 9 =#
d = Dict()
y = 5 # the y
