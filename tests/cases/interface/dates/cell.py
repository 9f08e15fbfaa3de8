import datetime
from datetime import date, timedelta
text = '2020-01-31'  # type: date
a = datetime.date(2020, 1, 31)  # type: date
b: datetime.date = date(2020, 1, 31)
c: datetime.datetime = datetime.datetime(2020, 1, 31, 12, tzinfo=datetime.timezone.utc)
d = date.today() - timedelta(days=5)  # type: date
e = 'today-5d'  # type: date[2015-06-23..today]
f = 'now-6h'  # type: datetime
g: datetime.date
h = [date(2020, 1, 31), date(2020, 2, 1)]  # type: date[]
i: date | None = None
j: date | str = 'any'
k = date(2020, 1, 31)
