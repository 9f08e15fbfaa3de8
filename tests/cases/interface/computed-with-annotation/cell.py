when: str = make()
n: int = len('abc')
frame: pd.DataFrame = load()
