# %%
import os
import subprocess

# name of the station
station = os.environ.get('station', 'Nairobi')
# number of days
days = int(os.environ.get('days', '7'))
scale = float(os.getenv('scale', 1.5))
plot = bool(os.environ.get('plot', False))
# %%
note = os.environ.get('note')  # any text
print(station, days, scale, plot, note)
print(subprocess.run(['printenv', 'station'], capture_output=True, text=True).stdout.strip())
