n=1
if [ "$n" -gt 0 ]; then
    n=2
    inner=3
fi
f() {
    local x=1
}
for i in 1 2; do m=$i; done
after=4
