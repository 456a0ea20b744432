#!/bin/sh
# The way of the shell script in KubeVirt's user guide: a temporary file, edited in place and printed.
file=$(mktemp)
trap 'rm -f "$file"' EXIT
echo "$4" > "$file"
sed -i 's|<baseBoard></baseBoard>|<baseBoard><entry name="manufacturer">Radical Edward</entry><entry name="product">Bebop</entry><entry name="version">26</entry></baseBoard>|' "$file"
cat "$file"
