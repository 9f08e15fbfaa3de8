# # Tiles of a forest

import math

# + tags=["parameters"]
n = 3

area = 2.5  # in hectares
# -

for tile in range(int(n)):
    print(tile, math.floor(area))

print("done")
