!pip install a \
    b
n = 3
x = !ls \
  -l
m = 4
