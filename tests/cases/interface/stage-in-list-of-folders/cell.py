a = ['in/', 'x.tif']  # type: stage-in
b = ['in/', '../other']  # type: stage-in
