a = 1;
b = 2;
if a == 1
  b = x(end);
  for i = 1:3, c = i; end
endif
function r = f(x)
  a = 7;
end
d = "after";
