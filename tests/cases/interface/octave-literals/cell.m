% the scene
n = 3; % type: int how many
share = -0.5e1  # of the whole
city = 'it''s "Lisbon" 100%'; % type: string
two = "a\tb # c";
flag = true;
xs = [1, 2 -3];
ys = [1.5 2.5];
names = {'a', 'b c'}; % type: string[]
none = {};
long_list = [1, ... comment
  2];
picture = 'image.png'; % type: stage-out
scene = 'a.tif'; % type: stage-in
