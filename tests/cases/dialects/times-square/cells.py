# %%
A = 4
y0 = 0
title = "sine"
begin = "2026-01-31"
units = "metric"
logarithmic = False
# %%
values = [A + y0, A - y0]
print(values, title, begin, units, logarithmic)
