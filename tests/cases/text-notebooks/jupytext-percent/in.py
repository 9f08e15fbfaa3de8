# -*- coding: utf-8 -*-
# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Tiles of a *forest*

# %% tags=["parameters"]
n = 3  # type: int number of tiles
name = "oak"
name = "beech"
out = "tiles.txt"  # type: stage-out

# %%
# %config InlineBackend.figure_format = 'svg'
# !true
print(n * name)

# %% active="py"
raise SystemExit("only in the script")

# %%
open(out, "w").write(name)
