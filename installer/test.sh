#!/usr/bin/env bash
# Installs medviewer with its test dependencies into .venv and runs every test; arguments go to pytest.
# Starts a virtual screen itself where there is none.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

add_packages "${debian_packages[@]}" xvfb
make_environment test
cd "$here"
if [ -z "${DISPLAY:-}" ] && command -v Xvfb >/dev/null; then
  say "Starting a virtual screen"
  exec 3< <(exec Xvfb -displayfd 1 -screen 0 1600x1200x24 -nolisten tcp 2>/dev/null)
  screen=$!
  trap 'kill "$screen" 2>/dev/null || true' EXIT
  read -r -t 20 number <&3 || stop "The virtual screen did not start."
  export DISPLAY=":$number"
fi
say "Running the tests"
"$venv/bin/python" -m pytest -n "${MEDVIEWER_TEST_WORKERS:-2}" --dist loadfile "$@"
