# %% imports
import math
# %% pipeline-parameters
epochs = 7
rate = 0.5  # learning rate
# %% step:train
accuracy = epochs * rate
print(accuracy, math.floor(accuracy))
# %% pipeline-parameters
title = "a model"
shuffle = True
# %% step:show
print(title, shuffle)
# %% pipeline-metrics
print(accuracy)
