compare_obs: False
limit: -3.5
names: ["a"]
mode: Unknown
known = 1
known: Unknown
