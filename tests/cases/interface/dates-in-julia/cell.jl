using Dates
start::Date = Date(2020, 1, 31)
last = Dates.DateTime(2020, 2)  # type: datetime
text = "today"  # type: date
