here=$PWD
now="$(date)"
old=`date`
files=*.csv
home=~/data
brace={a,b}
many=(a $HOME)
n=1
n=$((n + 1))
m=1
FOO=1 command --with=x
echo "m=2"
m+=2
