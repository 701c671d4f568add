#!/bin/sh
# Make .venv from requirements.lock, hashes checked, or say in one line why not. A half-made .venv is made again from nothing.
set -eu
cd "$(dirname "$0")/.."
stop() { echo "env: $1" >&2; exit 1; }

if command -v flock >/dev/null; then  # two `make` at once: the second waits, and finds .venv made
  mkdir -p _build && exec 9>_build/env.lock && flock 9 ||
    stop "nothing can be written to $PWD; work in a checkout of your own"
fi
lock=$(cat requirements*.lock pyproject.toml | cksum)
[ -f .venv/.complete ] && [ "$(cat .venv/.complete)" = "$lock" ] && exit 0

python=
found="none"
for candidate in "${PYTHON:-}" python3.11 python3.12 python3.13 python3; do  # the records are 3.11's
  version=$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
  found="$candidate is $version"
  case $version in 3.11|3.12|3.13) python=$candidate; break ;; esac
done
[ -n "$python" ] || stop "Python 3.11, 3.12 or 3.13 is needed ($found); install one or set PYTHON=/path/to/python3.12"
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
  stop "$python has no venv module; on Debian or Ubuntu: apt-get install python3-venv"
free=$(df -Pk . | awk 'NR==2 {print $4}')
# the index's torch for Linux brings 5.6 GB of CUDA libraries; a CPU wheel that pip is led to does not
needed=8; [ -z "${PIP_FIND_LINKS:-}${PIP_EXTRA_INDEX_URL:-}" ] || needed=3
[ "$free" -ge "${MIN_FREE_KIB:-$((needed * 1048576))}" ] ||
  stop "$((free / 1024)) MiB are free here, $needed GiB are needed (3 with a CPU wheel of torch); make room, run again"

echo "env: making .venv with $("$python" --version) from requirements.lock"
rm -rf .venv
"$python" -m venv .venv || stop "cannot make .venv with $python"
log=.venv/install.log
pip() { .venv/bin/python -m pip "$@" --disable-pip-version-check --progress-bar off --no-deps >>"$log" 2>&1 || explain; }
explain() {
  grep -m1 -iE 'no space left' "$log" >/dev/null && stop "the disk is full at $PWD/.venv (or ${TMPDIR:-/tmp}); make room and run this again"
  got=$(awk '/^ +[A-Za-z].* from /{name=$1} /^ +Got /{print name " has the hash " $2; exit}' "$log")
  [ -z "$got" ] || stop "the lock has another hash than the file found: $got; if you trust that file, add its hash there"
  grep -m1 -iE 'connection|resolve|timed out|network|retries' "$log" >/dev/null &&
    stop "the Python package index cannot be reached; check the network or PIP_INDEX_URL and run this again"
  stop "pip failed: $(grep -m1 -i '^error' "$log" || tail -n 1 "$log") (all of it: $log)"
}
: >"$log"
# First torch: among files of one version pip takes one that the index gives a hash of, and a CPU wheel in a folder or
# on a plain index has none there. So it is chosen without hashes, and then installed under them like all the rest.
mkdir -p .venv/torch
awk '/^torch==/ {on = 1} on {print} on && !/\\$/ {exit}' requirements.lock >.venv/torch/lock
pip download -d .venv/torch "$(awk '/^torch==/ {print $1}' requirements.lock)"
pip install --no-compile --no-index --find-links .venv/torch --require-hashes -r .venv/torch/lock
rm -rf .venv/torch
# (--no-compile: Python compiles what is used when it is used, which is a third of the time here)
pip install --no-compile --require-hashes -r requirements.lock
if .venv/bin/python -c 'import importlib.metadata as m, sys; sys.exit("nvidia" not in str(m.requires("torch")))'; then
  pip install --no-compile --require-hashes -r requirements-cuda.lock
fi
.venv/bin/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation -q -e . >>"$log" 2>&1 ||
  stop "the project itself does not install; see $log"
.venv/bin/python -m pip check >>"$log" || stop "something is missing in requirements.lock: $(tail -n 1 "$log")"
echo "$lock" >.venv/.complete
