%matplotlib inline
!pip install x
n = 3
files = !ls
now = %time
?help
help?
text = '''
%not a magic
'''
