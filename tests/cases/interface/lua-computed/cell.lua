a = 1 + 2
b = os.getenv("X")
c = {1, key = 2}
d, e = 1, 2
f = "\x41"
g = 0x10
h = {[1] = 2}
t.x = 3
if a == 3 then
  n = 1
  for i = 1, 2 do m = i end
end
a = 4
function k() a = 5 end
b = 1
if (a) then b = 2 end
local x <const> = 3
