#!/bin/bash
# Driver of a failover lab: runs one Evenkeel node inside the lab's namespaces.
#
# Verbs: start | start-vrrp | start-proxy | reload | badreload | status | roles
# Environment from the lab: LAB_NODE LAB_DIR LAB_IF LAB_PRIO LAB_VIP4 LAB_VIP6 LAB_VRID LAB_ADDR4 LAB_PEERS4
#   LAB_BACKENDS LAB_HTTP_PORT LAB_BACKEND_HTTP
# Settings: EVENKEEL=binary  EK_VERSION=2|3  EK_ADVERT=1s|100ms|10ms  EK_UNICAST=1  EK_NOAUTH=1  EK_EXTRA=lines for the
#   instance  EK_GLOBAL=lines for [global]  EK_THREADS=n
#   EK_ROLES=split (vrrp: the keeper, proxy: the worker; the default) | guard (vrrp: keeper and guard) |
#            all (vrrp: keeper, guard and worker) | guardonly (vrrp: the guard)
set -u
HERE=$(cd "$(dirname "$0")" && pwd)
EVENKEEL=${EVENKEEL:-$HERE/../../target/release/evenkeel}
EK_VERSION=${EK_VERSION:-2}; EK_ADVERT=${EK_ADVERT:-1s}; EK_THREADS=${EK_THREADS:-1}

list() { local out="" sep=""; for x in $1; do out="$out$sep\"$x\""; sep=", "; done; echo "[$out]"; }

config() { # UNRELATED VRID
  local n=0
  cat <<X
# unrelated: $1
[global]
nbthread = $EK_THREADS
hard_stop_after = "1s"
${EK_GLOBAL:-}
[defaults]
timeout = { connect = "2s", client = "60s", server = "60s", http_request = "10s" }
[frontend.www]
bind = "*:$LAB_HTTP_PORT"
log = false
default_backend = "b"
[backend.b]
balance = "roundrobin"
httpchk = "/"
default_server = { check = true, inter = "1s" }
server = [
X
  for s in $LAB_BACKENDS; do n=$((n + 1)); echo "  { name = \"s$n\", addr = \"$s:$LAB_BACKEND_HTTP\" },"; done
  cat <<X
]
[vrrp.VI_1]
interface = "$LAB_IF"
virtual_router_id = $2
priority = $LAB_PRIO
version = $EK_VERSION
advert_int = "$EK_ADVERT"
virtual_ipaddress = ["$LAB_VIP4/32"]
X
  if [ "$EK_VERSION" = 2 ] && [ -z "${EK_NOAUTH:-}" ]; then
    echo 'authentication = { auth_type = "PASS", auth_pass = "s3cr3t42" }'
  fi
  if [ -n "${EK_UNICAST:-}" ]; then
    echo "unicast_src_ip = \"$LAB_ADDR4\""; echo "unicast_peer = $(list "$LAB_PEERS4")"
  fi
  printf '%s\n' "${EK_EXTRA:-}"
}

running() { "$EVENKEEL" status --runtime-dir "$LAB_DIR/run" >/dev/null 2>&1; }

start() {
  running && return 0
  config 0 "$LAB_VRID" > "$LAB_DIR/evenkeel.toml"
  setsid "$EVENKEEL" run --config "$LAB_DIR/evenkeel.toml" --node "$LAB_NODE" --runtime-dir "$LAB_DIR/run" \
    </dev/null >>"$LAB_DIR/evenkeel.log" 2>&1 &
  for _ in $(seq 100); do running && return 0; sleep 0.02; done
  cat "$LAB_DIR/evenkeel.log"; return 1
}

cd "$LAB_DIR" || exit 1
case $1 in
  roles)
    case ${EK_ROLES:-split} in
      split) echo "vrrp evenkeel"; echo "proxy ek-worker" ;;
      guard) echo "vrrp evenkeel"; echo "vrrp ek-guard"; echo "proxy ek-worker" ;;
      all) echo "vrrp evenkeel"; echo "vrrp ek-guard"; echo "vrrp ek-worker"; echo "proxy ek-worker" ;;
      guardonly) echo "vrrp ek-guard"; echo "proxy ek-worker" ;;
    esac ;;
  start | start-vrrp | start-proxy) start ;;
  status) "$EVENKEEL" status --runtime-dir "$LAB_DIR/run"; cat evenkeel.log ;;
  *) echo "the verb $1 is not one of start start-vrrp start-proxy status roles" >&2; exit 2 ;;
esac
