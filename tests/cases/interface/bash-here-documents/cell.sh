year=2020            # shifted by 1 << place
cat > sites.csv <<EOF
it's not a value: kind=1
EOF
name=$'it\'s'
sizes=(# in "feet
       1 2)
cat <<- 'END OF IT' <<-more
	"
	END OF IT
	depth=2
	more
place='x'
place
unit='m'
