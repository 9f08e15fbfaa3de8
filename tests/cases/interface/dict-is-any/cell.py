d = {'a': 1, 'b': [1, None], 'c': {'d': 'e'}}
empty = {}
numbers = {1: 'a'}
