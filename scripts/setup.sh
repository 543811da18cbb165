#!/usr/bin/env bash
# Installs what is missing, and nothing else; does nothing where all is there.
#   scripts/setup.sh build   what building and running needs (Debian packages; where there is a cuDNN,
#                            the headers of its C++ interface, into build/cudnn-frontend)
#   scripts/setup.sh test    the same, the lint and fuzz tools, and a Python environment with Keras
# The Python environment is build/venv, or the directory in LAMINA_VENV.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly purpose="${1:-test}"

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

packages() { grep -hv '^#' "$@"; }

install_debian() {
  local missing=()
  for package in $(packages "$@"); do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  command -v apt-get >/dev/null || { echo "setup: please install: ${missing[*]}" >&2; exit 1; }
  echo "setup: installing ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# Where python3-venv is missing, venv leaves a Python without pip, which is no environment yet.
python_environment() {  # DIRECTORY
  "$1/bin/python" -m pip --version >/dev/null 2>&1 || python3 -m venv "$1"
}

install_python() {
  local venv="${LAMINA_VENV:-build/venv}"
  local stamp="$venv/lamina-requirements.txt"
  cmp -s scripts/requirements.txt "$stamp" && return
  echo "setup: installing the Python packages of scripts/requirements.txt into $venv"
  python_environment "$venv"
  "$venv/bin/python" -m pip install -q --disable-pip-version-check -r scripts/requirements.txt
  cp scripts/requirements.txt "$stamp"
}

# cuDNN's C++ interface, headers alone: where there is a cuDNN to use them with.
install_headers() {
  local folder=build/cudnn-frontend where
  [ -f $folder/include/cudnn_frontend.h ] && return
  for where in "${CUDA_HOME:-/usr/local/cuda}/include" /usr/include /usr/include/x86_64-linux-gnu none; do
    [ -f "$where/cudnn.h" ] && break
  done
  [ "$where" = none ] && return
  echo "setup: fetching the headers of $(cat scripts/requirements-headers.txt)"
  mkdir -p $folder
  if ! python_environment build/tools; then
    echo "setup: without python3-venv there will be no cuDNN"
    return
  fi
  build/tools/bin/python -m pip download -q --disable-pip-version-check --no-deps -d $folder \
    -r scripts/requirements-headers.txt
  build/tools/bin/python -m zipfile -e $folder/*.whl $folder
  rm -r $folder/*.whl $folder/cudnn
}

case "$purpose" in
  build)
    install_debian scripts/packages.txt
    install_headers
    ;;
  test)
    install_debian scripts/packages.txt scripts/packages-test.txt
    install_headers
    install_python
    ;;
  *) echo "setup: expected 'build' or 'test', not '$purpose'" >&2; exit 2 ;;
esac
