if True:
    %time
    n = 3
m = 4
