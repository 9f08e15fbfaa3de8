text = '''first
x = 5
last'''
joined = ('a'
          'b')
continued = 'a' \
    'b'
