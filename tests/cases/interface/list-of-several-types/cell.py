xs = [1, 'a']
holes = [1, None]
nested = [[1, 2], [3]]
rows = [{'a': 1}]
