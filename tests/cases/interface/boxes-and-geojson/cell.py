area = [-10.5, 36, -6, 42.2]  # type: bbox of Portugal
heights = (-10.5, 36, 0, -6, 42.2, 100)  # type: bbox
anywhere = None  # type: bbox?
point = {'type': 'Point', 'coordinates': [-9.1, 38.7]}  # type: geojson
text = '{"type": "Point", "coordinates": [-9.1, 38.7]}'  # type: geojson
file = 'aoi.geojson'  # type: geojson
given: geojson
staged = 'aoi.geojson'  # type: stage-in[geojson]
other = None  # type: file[geojson]?
