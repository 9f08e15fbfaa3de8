a = "in/" # type: stage-in
b = Dict("path" => "x") # type: stage-in
c = ["x", "y"] # type: stage-in
