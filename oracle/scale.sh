#!/bin/bash
# A table of 10,000 virtual servers with 10 real servers each, restored, listed, changed and cleared:
# by ipvsadm with the kernel's IPVS, and by ours. Prints guest instructions in millions, which are the
# same on every machine: the processor advances its clock by 1 ns an instruction.
#
#   oracle/scale.sh BINARY [OPTION OF `xvs run`]...      (such as --simulate)
#
# Exits with 1 unless restoring and listing cost at most half of what they cost there, and listing an
# empty table at most twice.
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
source "$HERE/common"

[ $# -ge 1 ] || {
  echo "usage: oracle/scale.sh BINARY [OPTION OF \`xvs run\`]..." >&2
  exit 2
}
[ -x "$1" ] || die "no program \`$1\`: run \`make build\` first"
binary=$1
shift

guest=$(mktemp)
trap 'rm -f "$guest"' EXIT
cat >"$guest" <<'GUEST'
set -euo pipefail
cd /tmp
cp "/share/$1" xvs
shift
mkdir ours && ln -s /tmp/xvs ours/ipvsadm
# A route to all real servers through one gateway, as large tables have.
ip link add lan type veth peer name far
ip link set lan up
ip link set far up
ip addr add 10.9.9.1/24 dev lan
ip neigh add 10.9.9.2 lladdr 02:00:00:00:00:02 dev lan nud permanent
ip route add 10.2.0.0/16 via 10.9.9.2
awk 'BEGIN { for (i = 0; i < 10000; i++) {
  vip = "10.1." int(i / 250) "." i % 250 + 1 ":80"
  print "-A -t " vip " -s rr"
  for (j = 1; j <= 10; j++) print "-a -t " vip " -r 10.2." i % 100 "." j ":8080 -m -w 1"
} }' >rules

declare -A spent
# Runs the rest, and notes under $1 what it costs in millions of instructions.
measure() {
  local name=$1 before after
  shift
  before=$(date +%s%N)
  "$@" >output
  after=$(date +%s%N)
  spent[$name]=$(((after - before) / 1000000))
  # It takes minutes: whoever waits sees that it goes on.
  echo "$name: ${spent[$name]} M" >&2
}
session() {
  # Once without measuring: programs and modules are read from the disk.
  "$1" -Ln >/dev/null
  measure "$2 empty" "$1" -Ln
  measure "$2 restore" "$1" -R <rules
  measure "$2 list" "$1" -Ln
  [ "$(wc -l <output)" = 110003 ] || { echo "the list has $(wc -l <output) lines"; exit 1; }
  measure "$2 add" "$1" -A -t 10.3.0.1:80 -s rr
  measure "$2 clear" "$1" -C
}
modprobe ip_vs
session /usr/sbin/ipvsadm kernel
export XVS_RUNTIME_DIR=/run/scale
./xvs run "$@" 2>log &
until ./xvs status >/dev/null 2>&1; do sleep 0.2; done
session /tmp/ours/ipvsadm xvs || { cat log; exit 1; }

printf '%-8s %12s %12s %8s\n' '' 'ipvsadm, M' 'xvs, M' ratio
status=0
for step in empty restore list add clear; do
  theirs=${spent[kernel $step]} ours=${spent[xvs $step]}
  printf '%-8s %12s %12s %8s\n' "$step" "$theirs" "$ours" "$(awk "BEGIN { printf \"%.2f\", $ours / ($theirs ? $theirs : 1) }")"
  case $step in
    empty) [ $ours -le $((2 * theirs)) ] || status=1 ;;
    restore | list) [ $((2 * ours)) -le $theirs ] || status=1 ;;
  esac
done
exit $status
GUEST
"$HERE/run" -i -t 1800 -x "$binary" "$guest" "$(basename "$binary")" "$@"
