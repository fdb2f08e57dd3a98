# Shared by run.sh and test.sh: find Python, install what is missing, make the environment. Sourced, not run.
# Quick the second time: a stamp in the environment remembers what was installed.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv="$here/.venv"
say() { printf '[medviewer] %s\n' "$*"; }
stop() { printf '[medviewer] %s\n' "$*" >&2; exit 2; }

# Qt 6 draws with these libraries; VTK renders off screen with EGL or OSMesa and Mesa's software driver
debian_packages=(libgl1 libegl1 libgl1-mesa-dri libglib2.0-0 libxkbcommon0 libxkbcommon-x11-0 libdbus-1-3 libfontconfig1
  libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0
  libxcb-xinerama0 libxcb-xkb1 libxrender1 fonts-dejavu-core)

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else return 1; fi
}

# add_packages NAME...: installs the Debian packages of the list that are missing
add_packages() {
  command -v dpkg-query >/dev/null && command -v apt-get >/dev/null || return 0
  local missing=() name
  for name in "$@"; do
    dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  say "Installing system packages: ${missing[*]}"
  local log
  log=$(mktemp)
  if ! { as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive \
         apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    say "They could not be installed here. If the window does not open, ask your administrator for: ${missing[*]}"
  fi
  rm -f "$log"
}

find_python() {
  local name
  for name in ${PYTHON:-} python3.13 python3.12 python3.11 python3; do
    if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      printf '%s' "$name"; return 0
    fi
  done
  return 1
}

# make_environment EXTRA: the virtual environment with medviewer and its pinned dependencies
make_environment() {
  local extra=$1 python stamp wanted
  python=$(find_python) || { add_packages python3 python3-venv; python=$(find_python); } \
    || stop "Python 3.11 or newer is needed and was not found. Install it, or set PYTHON to it."
  if [ ! -x "$venv/bin/python" ]; then
    say "Making the environment in .venv with $("$python" --version)"
    if ! "$python" -m venv "$venv" 2>/dev/null; then
      rm -rf "$venv"
      add_packages python3-venv
      "$python" -m venv "$venv" || stop "The environment could not be made: install the venv module of Python."
    fi
  fi
  stamp="$venv/.installed-$extra"
  wanted=$(cat "$here/pyproject.toml" "$here/installer/constraints.txt" | sha256sum | cut -d' ' -f1)
  if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    say "The environment is up to date"
  else
    say "Installing medviewer and its pinned dependencies (some minutes the first time)"
    "$venv/bin/python" -m pip install -q --disable-pip-version-check -c "$here/installer/constraints.txt" \
      -e "$here$([ "$extra" = run ] || printf '[%s]' "$extra")" || stop "The installation failed; the lines above say why."
    printf '%s' "$wanted" >"$stamp"
  fi
}
