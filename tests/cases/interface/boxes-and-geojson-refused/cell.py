a = [36, -10.5, 42.2]  # type: bbox
b = [-10.5, 42.2, -6, 36]  # type: bbox
c = [500000, 4000000, 600000, 5000000]  # type: bbox
d = {'type': 'Polygon', 'coordinates': [[[0, 0], [1, 0], [1, 1], [0, 1]]]}  # type: geojson
e = {'type': 'Feature', 'geometry': {'type': 'Point', 'coordinates': [1]}, 'properties': {}}  # type: geojson
f = {'a': 1}  # type: geojson
