-- the scene
n = 3 -- type: int how many
local share = -0.5
city = 'it\'s "Lisbon"'
raw = [[two
lines]]
flag = true
nothing = nil
xs = {1, 2, 3}
names = {"a"; 'b c'} -- type: string[]
options = {a = 1, ["b c"] = {true}}
empty = {}
--[[ hidden = 1
]]
picture = "image.png" -- type: stage-out
