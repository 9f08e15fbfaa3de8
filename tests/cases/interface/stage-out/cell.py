a = 'image.png'  # type: stage-out
b = 'wild_*.log'  # type: stage_out all logs
c = 'results/'  # type: stage-out
d = 'sub/x.txt'  # type: stage-out
e = './x.csv'  # type: stage-out
f = 'maybe.txt'  # type: stage-out?
g = 'x[0-9].tif'  # type: stage-out
h = 'out'  # type: stage-out[Directory]
