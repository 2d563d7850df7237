#!/bin/bash
# Runs a program of ours in a virtual machine of each kernel series, so that its programs meet the
# verifiers and the hooks of those kernels.
#
#   oracle/load-check.sh BINARY [ARGUMENT]...      (default arguments: lab all)
#
# Exits with 1 if it fails on one of them; every kernel is tried.
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
source "$HERE/common"

[ $# -ge 1 ] || {
  echo "usage: oracle/load-check.sh BINARY [ARGUMENT]..." >&2
  exit 2
}
[ -x "$1" ] || die "no program \`$1\`: run \`make build\` first"
binary=$1
shift
[ $# -gt 0 ] || set -- lab all
"$HERE/build"

failed=()
for series in "${KERNELS[@]}"; do
  echo "== Linux $series: $(basename "$binary") $*"
  "$HERE/run" -k "$series" -x "$binary" <(printf 'exec /share/%q "$@"\n' "$(basename "$binary")") "$@" || {
    echo "== Linux $series: FAILED with status $?"
    failed+=("$series")
  }
done
[ ${#failed[@]} = 0 ] || die "failed on Linux ${failed[*]}"
