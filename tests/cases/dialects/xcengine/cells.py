# %%
import os
# %% parameters
xcengine_config = {
    "environment_file": "eo.yml",
    "workflow_id": "mosaic",
}
band = "B04"
count = 3
scale = 0.5
mask = True
cube: "EOInput" = "cubes"
# %%
print(band, count, scale, mask, sorted(os.listdir(cube)))
