a = 1 + 2;
b = ones(2);
c = [1 2; 3 4];
d = x';
e = [1 2]';
f = {1, 2};
g = NaN;
h = {'a'
'b'};
i = 1i;
j.k = 3;
[m, n] = size(b);
pkg load statistics
a = 5;
%{
z = 1;
%}
p = 'unclosed
