cat <<'it is a document' > notes.txt
it's not a value: mode=fast
it is a document
usage="cat <<EOF"
year=2020            # shifted by 1 << place
cat $options<<EOF > sites.csv
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
