d = 'item'  # type: stage-in[Directory] a STAC item
one = 'x'  # type: stage-in[File]
many = []  # type: stage-in[File[]]
