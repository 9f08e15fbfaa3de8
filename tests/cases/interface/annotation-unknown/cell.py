df: pd.DataFrame = None
when: datetime.date = '2020-01-01'
