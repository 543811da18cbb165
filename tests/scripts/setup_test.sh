#!/usr/bin/env bash
# What scripts/setup.sh makes of a machine that gets python3-venv only after its first run, with others in the place
# of Python and dpkg.
#   setup_test.sh SCRIPTS
set -uo pipefail
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
readonly folder
failures=0

is() {  # PROGRAM WORDS
  printf '#!/usr/bin/env bash\nfolder=%q\n%s\n' "$folder" "$2" >"$1"
  chmod +x "$1"
}
run() {  # leaves `status`
  status=0
  LAMINA_VENV="$folder/venv" PATH="$folder/bin:$PATH" "$folder/scripts/setup.sh" test >"$folder/out" 2>&1 || status=$?
}
expect() {  # WHAT GOT WANTED
  [ "$2" != "$3" ] || return 0
  printf 'FAILED: %s: %s, expected %s\n' "$1" "$2" "$3"
  cat "$folder/out"
  failures=$((failures + 1))
}

mkdir -p "$folder/bin" "$folder/build/cudnn-frontend/include"
touch "$folder/build/cudnn-frontend/include/cudnn_frontend.h" # as if fetched: no network here
cp -r "$1" "$folder/scripts"
is "$folder/bin/dpkg-query" 'echo "install ok installed"'
# As Python's venv: what it has made before it misses pip stays.
is "$folder/python" '[ -e "$folder/pip" ]'
is "$folder/bin/python3" 'echo "$*" >>"$folder/calls"
mkdir -p "$3/bin" && cp "$folder/python" "$3/bin/python" && [ -e "$folder/ensurepip" ] && touch "$folder/pip"'

run
expect "without python3-venv" "$status" 1
expect "what it left" "$([ -x "$folder/venv/bin/python" ] && echo a Python)" "a Python"
touch "$folder/ensurepip"
run
expect "with python3-venv" "$status" 0
expect "what was installed" "$(cmp "$1/requirements.txt" "$folder/venv/lamina-requirements.txt" && echo all)" all
run
expect "once more" "$status" 0
expect "environments made" "$(wc -l <"$folder/calls")" 2

[ $failures -eq 0 ] && echo "setup: as expected"
exit $((failures > 0))
