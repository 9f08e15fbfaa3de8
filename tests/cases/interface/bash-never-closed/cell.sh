n=1
name="never closed
m=2
