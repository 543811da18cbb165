#!/usr/bin/env bash
# run.sh NAME FILE...: runs pytest on files of this folder, in the tests' Python environment. With
# LAMINA_RESULTS set, leaves NAME.xml there.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
python="${LAMINA_PYTHON:-${LAMINA_VENV:-$here/../../build/venv}/bin/python}"
if ! [ -x "$python" ]; then
  echo "$python is missing: run scripts/setup.sh test, or name a Python with Keras in LAMINA_PYTHON" >&2
  exit 1
fi
name="$1"
shift
cd "$here"
export PYTHONDONTWRITEBYTECODE=1
exec "$python" -m pytest ${LAMINA_RESULTS:+--junitxml "$LAMINA_RESULTS/$name.xml"} "$@"
