a = 'temperature [K].png'  # type: stage-out
b = 'wind [m s-1].png'  # type: stage-out
c = 'tile_[0-9].tif'  # type: stage-out
d = 'map_[xy].png'  # type: stage-out
e = 'out [1]/'  # type: stage-out
f = 'what[?].txt'  # type: stage-out
g = 'half [open'  # type: stage-out
h = 'results/**/*.csv'  # type: stage-out
