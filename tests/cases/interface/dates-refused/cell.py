a = '2020-02-30'  # type: date
b = 'now-6h'  # type: date
c = '31.01.2020'  # type: date
d = '2020-01-31T25:00'  # type: datetime
e = 20200131  # type: date
