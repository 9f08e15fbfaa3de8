config = {'a': 1}
config['b'] = 2
plt.rcParams['x'] = 3
obj.attr = 4
