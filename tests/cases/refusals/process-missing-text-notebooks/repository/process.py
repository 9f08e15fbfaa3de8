# %% tags=["parameters"]
n = 3
