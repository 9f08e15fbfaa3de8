readonly city=lisbon; year=2020
declare -xr unit=K  # type: string
typeset -r -x speed=3
month=6
readonly month
names=(a year)
readonly -a codes=(a year) && readonly names
readonly -f year
declare -x shown=1
echo readonly year
if true; then readonly late; fi
late=2
readonly picture=map.png  # type: stage-out
scale=2
mean() { declare -r scale=4; echo "$scale"; }
function sum
{
    typeset -r year=1
    declare -gr total=3
}
total=0
