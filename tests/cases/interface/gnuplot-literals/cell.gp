# the scene
n = 3 # type: int how many
share = -0.5e-3
city = 'it''s "Lisbon" `x`'
two = "a\tb"
array xs[3] = [1, 2, 3]
array names[2] = ["a", 'b c'] # type: string[]
picture = "image.png" # type: stage-out
long = \
  4
