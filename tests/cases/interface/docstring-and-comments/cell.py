'''What this cell is.'''
# a comment
n = 3

# another
