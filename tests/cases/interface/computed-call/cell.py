when = datetime.now()
y = dict(a=1)
path = os.environ['X']
number = int('3')  # type: int
folder = Path('data')
