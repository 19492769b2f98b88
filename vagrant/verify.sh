#!/bin/sh
# Proves what the lab is for, on machines that are up: the address is on one node, whatever happens to that node.
#
#   ./verify.sh
#
# Stops the MASTER's service and starts it again, kills its proxy, cuts its power and boots it, while the client asks
# for a page every 10 ms. Prints ok or FAIL for each check, with the longest outage that the client saw, and fails if
# any did.
set -eu
cd "$(dirname "$0")"

vip=192.168.56.50
url=http://$vip/
measure='python3 /usr/local/lib/evenkeel-lab/measure.py'
# Milliseconds. An orderly move takes the skew of the priority (122 ms), one without a word three adverts (600 ms)
# before that. The rest is for busy machines; one that emulates processors may need more.
orderly=${EVENKEEL_ORDERLY_MS:-1000}
wordless=${EVENKEEL_WORDLESS_MS:-3000}
# Seconds: the longest wait for anything.
patience=60

failed=0
# The node that is known to have no power.
off=''
# The process of the client that asks.
probe=''

die() {
  echo "verify.sh: $*" >&2
  exit 1
}

# --- the machines ------------------------------------------------------------------------------------------------

# By ssh itself: `vagrant ssh` takes seconds to start. Ports and addresses can change with a boot.
connect() {
  vagrant ssh-config > "$work/ssh" || die "the machines are not up: vagrant up"
}

# on MACHINE COMMAND: by its shell, as root.
on() {
  machine=$1
  shift
  # Without an answer for four seconds the machine is gone.
  ssh -F "$work/ssh" -o ConnectTimeout=4 -o ServerAliveInterval=2 -o ServerAliveCountMax=2 -o LogLevel=ERROR \
    "$machine" sudo sh -c "'$*'" </dev/null
}

finish() {
  if [ -n "$probe" ]; then on client "kill $probe" || true; fi
  rm -rf "$work"
}

# --- saying what came of it --------------------------------------------------------------------------------------

verdict() { # WHAT TEXT
  echo "$1 $2"
  if [ "$1" = FAIL ]; then failed=$((failed + 1)); fi
}

# check NAME COMMAND...: whether it succeeds before patience ends.
check() {
  name=$1
  shift
  end=$(($(date +%s) + patience))
  until "$@"; do
    if [ "$(date +%s)" -ge $end ]; then
      verdict FAIL "$name; the address is on: $(holders)"
      return
    fi
    sleep 0.2
  done
  verdict "ok  " "$name"
}

# --- looking at machines -----------------------------------------------------------------------------------------

# The nodes that have the address. One that cannot be asked could have it.
holders() {
  all=''
  for node in node1 node2; do
    if [ $node = "$off" ]; then continue; fi
    if said=$(on $node "ip -4 -o addr show to $vip"); then
      if [ -n "$said" ]; then all="$all$node "; fi
    else
      all="$all$node? "
    fi
  done
  echo "${all:-none}"
}

# Twice, so that no moment between two looks counts.
is_holder() { [ "$(holders)" = "$1 " ] && [ "$(holders)" = "$1 " ]; }

is_served() { on client "$measure ask $url" 2>/dev/null; }

is_settled() { on "$1" "evenkeel status" | grep -q "^VI_1 *$2"; }

is_off() { vagrant status --machine-readable "$1" | grep -Eq ",state,(shutoff|poweroff|off)"; }

# --- under traffic -----------------------------------------------------------------------------------------------

# outage NAME LIMIT HOLDER COMMAND...: the longest that the client sees while the command runs and until HOLDER alone
# has the address.
outage() {
  what=$1 limit=$2 holder=$3
  shift 3
  probe=$(on client "$measure probe $url > /run/outage 2>&1 & echo \$!")
  check "$what: the client asks" on client "grep -q asking /run/outage"
  "$@"
  check "$what: the address is on $holder alone" is_holder "$holder"
  check "$what: the client is served" is_served
  on client "kill -TERM $probe"
  check "$what: the client has ended" on client "! kill -0 $probe 2>/dev/null"
  probe=''
  cost=$(on client "tail -1 /run/outage")
  if [ "$cost" -le "$limit" ]; then
    verdict "ok  " "$what: longest outage: $cost ms (at most $limit)"
  else
    verdict FAIL "$what: longest outage: $cost ms (at most $limit)"
  fi
}

# From inside, because it is the same everywhere: `vagrant halt --force` asks a machine of libvirt to shut down first.
cut_power() {
  on "$1" "echo o > /proc/sysrq-trigger" || true
  check "power failure: $1 is off" is_off "$1"
  off=$1
}

boot() {
  vagrant up --no-provision "$1" > "$work/boot" || { cat "$work/boot"; die "$1 does not boot"; }
  off=''
  connect
}

# -----------------------------------------------------------------------------------------------------------------

work=$(mktemp -d)
trap finish EXIT
trap 'exit 130' INT TERM
connect
check "at rest: the address is on node1 alone" is_holder node1
check "at rest: node1 is MASTER" is_settled node1 MASTER
check "at rest: node2 is BACKUP" is_settled node2 BACKUP
check "at rest: the client is served" is_served
if [ $failed = 0 ]; then
  outage "service stopped" "$orderly" node2 on node1 "systemctl stop evenkeel"
  outage "service started" "$orderly" node1 on node1 "systemctl start evenkeel"
  outage "proxy killed" "$orderly" node1 on node1 "pkill -KILL -x ek-worker"
  outage "power failure" "$wordless" node2 cut_power node1
  outage "power back" "$orderly" node1 boot node1
fi
echo "verify.sh: $failed failed"
[ $failed = 0 ]
