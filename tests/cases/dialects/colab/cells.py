# %%
#@title The form of the analysis
count = 3  #@param {type:"integer"}
rate = 1 # @param {"type":"number","placeholder":"a rate"}
depth = 5 #@param {type:"slider", min:0, max:10, step:1}
share = 0.5 #@param {type:"slider", min:0, max:1, step:0.1}
begin = "2026-01-31"  #@param {type:"date"}
method = "nearest"  #@param ["nearest", "linear"]
colour = "red" #@param ["red", "green"] {allow-input: true}
choice = 2  #@param ["1", "2", "3"] {type:"raw"}
verbose = True #@param {type:"boolean"}
name = "Ada" #@param {type:"string"}
print(count, rate, depth, share, begin, method, colour, choice, verbose, name)
# %%
for i in range(count):  #@param {type:"integer"}
    pass
print(i)
