a = '../figures/a.png'  # type: stage-out
