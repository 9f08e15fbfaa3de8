a = ['in/', 'x.tif']  # type: stage-in
b = ['in']  # type: stage-in[Directory[]]
