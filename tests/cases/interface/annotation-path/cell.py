p: Path = 'data'
q: pathlib.Path = 'x'
r: os.PathLike = 'y'
