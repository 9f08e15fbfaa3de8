# the scene
n=3 # type: int how many
city="Lisbon" # type: string
names=(a 'b c')
typeset -A map=(k v)
typeset -i count=4
when=$(date)
picture=image.png # type: stage-out
