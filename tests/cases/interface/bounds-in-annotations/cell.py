from typing import Annotated
from pydantic import Field
n: Annotated[int, 'ge=1', 'le=10'] = 3
m: Annotated[int, Field(ge=1, le=10, description='how many')] = 4
speed: Annotated[float, annotated_types.Interval(gt=0, le=1), 'm s-1'] | None = None
start: Annotated[datetime.date, Field(ge=datetime.date(2015, 6, 23))] = datetime.date(2020, 1, 1)
name: Annotated[str, Field(min_length=1, pattern='[a-z]+')] = 'x'
code: Annotated[int, Ge(LOWEST)] = 3
low: Annotated[int, Field(gt=0)] = 0
day: datetime.date = ''
high: Annotated[int, Field(le=10000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000)] = 1
