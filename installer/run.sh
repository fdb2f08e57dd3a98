#!/usr/bin/env bash
# Installs medviewer into .venv and opens it on the demo study; arguments are opened instead of it.
# With no screen it saves a picture of the window and says where.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

add_packages "${debian_packages[@]}"
make_environment run
if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] || [ "$(uname)" = Darwin ]; then
  say "Opening the window"
  if [ $# -gt 0 ]; then exec "$venv/bin/medviewer" "$@"; else exec "$venv/bin/medviewer" demo; fi
fi
picture="$PWD/medviewer-demo.png"
if [ $# -eq 0 ]; then
  say "There is no screen: writing the demo study and drawing the window into a picture"
  study="$here/.venv/demo-study"
  [ -d "$study" ] || "$venv/bin/medviewer" demo --write "$study"
  set -- "$study"
fi
"$venv/bin/medviewer" screenshot "$@" -o "$picture"
say "The picture of the window is $picture"
