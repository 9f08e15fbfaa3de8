#!/usr/bin/env bash
# gnuplot 5.4 cannot read a string in single quotes with two neighboring doubled quotes.
#
# Its manual states that "a single-quote character can be embedded by doubling it" ("Syntax"). 'it''s' works; 'a''''b', the text
# a, two quotes, b, is an "unexpected or unrecognized token". Programs that write strings have to use "\047" for such texts.
# The script prints both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo "set print '-'; print 'it''s'" > one.gp
echo "set print '-'; print 'a''''b'" > two.gp
one=$(gnuplot one.gp 2>&1 | tr -s '\n' ' ') two=$(gnuplot two.gp 2>&1 | tr -s '\n' ' ' || true)
echo "one doubled quote: $one"
echo "two doubled quotes: $two"
if [ "$one" != "it's " ] || [ "$two" = "a''b " ]; then
    echo "changed: gnuplot read one doubled quote, and not two" >&2
    exit 1
fi
