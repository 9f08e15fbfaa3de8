f = [{'path': 'data/x.csv'}]  # type: stage-in
g = 'y.tif'  # type: stage_in the mask
h = []  # type: stage-in
i = None  # type: stage-in
j = 'a'  # type: stage-in?
