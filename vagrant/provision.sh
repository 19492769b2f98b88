#!/bin/sh
# Makes this machine what the lab wants it to be, and says what it changes. Run again, it changes nothing.
#
#   provision.sh node DEB CONFIG NETWORK   a node: package DEB is installed and CONFIG in use, in which @INTERFACE@
#                                          stands for the interface that has an address in NETWORK
#   provision.sh client MEASURE            a client, with servers at ports 8081 and 8082; MEASURE is measure.py
#
# As root, on a Debian with systemd. Needs no network.
set -eu

configuration=/etc/evenkeel/evenkeel.toml
instrument=/usr/local/lib/evenkeel-lab/measure.py
changed=''

die() {
  echo "provision.sh: $*" >&2
  exit 1
}

say() {
  changed=yes
  echo "provision.sh: $*"
}

# put MODE SOURCE TARGET: a file that is to be so.
put() {
  if cmp -s "$2" "$3"; then return; fi
  install -D -m "$1" "$2" "$3"
  say "$3 written"
}

# --- a node ------------------------------------------------------------------------------------------------------

# By its files, not only by its version: of one version there can be many builds.
is_installed() {
  there=$(dpkg-query -W -f '${Status} ${Version}' evenkeel 2>/dev/null) &&
    [ "$there" = "install ok installed $(dpkg-deb -f "$1" Version)" ] &&
    dpkg-deb --ctrl-tarfile "$1" | tar -xO ./md5sums | cmp -s - /var/lib/dpkg/info/evenkeel.md5sums
}

# What the node is to run, checked before it is in place.
configure() {
  install -m 640 "$1" $configuration.new
  evenkeel check --config $configuration.new
  mv $configuration.new $configuration
  say "$configuration written"
}

node() {
  [ -f "$1" ] || die "$1: no such package; build one with appliance/debian/build"
  interface=$(ip -4 -o addr show to "$3" | sed -n '1s/^[0-9]*: *\([^ ]*\).*/\1/p')
  [ -n "$interface" ] || die "no interface has an address in $3"

  if ! is_installed "$1"; then
    DEBIAN_FRONTEND=noninteractive dpkg --force-confold -i "$1"
    say "evenkeel $(dpkg-deb -f "$1" Version) installed"
  fi
  sed "s/@INTERFACE@/$interface/" "$2" > "$work/evenkeel.toml"
  if ! cmp -s "$work/evenkeel.toml" $configuration; then
    configure "$work/evenkeel.toml"
    if systemctl -q is-active evenkeel; then systemctl reload evenkeel; fi
  fi
  start evenkeel
}

# --- the client --------------------------------------------------------------------------------------------------

client() {
  command -v python3 >/dev/null || die "there is no python3: choose a box that has it (EVENKEEL_BOX)"
  cat > "$work/unit" <<END
[Unit]
Description=A server of the lab, at port %i

[Service]
ExecStart=/usr/bin/python3 $instrument serve %i
DynamicUser=yes
Restart=always

[Install]
WantedBy=multi-user.target
END
  put 644 "$1" $instrument
  put 644 "$work/unit" /etc/systemd/system/lab-server@.service
  if [ -n "$changed" ]; then
    systemctl daemon-reload
    systemctl try-restart 'lab-server@*'
  fi
  start lab-server@8081
  start lab-server@8082
}

# start UNIT: at once and at every boot.
start() {
  if ! systemctl -q is-enabled "$1" 2>/dev/null; then
    systemctl -q enable "$1"
    say "$1 enabled"
  fi
  if ! systemctl -q is-active "$1"; then
    systemctl start "$1"
    say "$1 started"
  fi
}

# -----------------------------------------------------------------------------------------------------------------

work=$(mktemp -d)
trap 'rm -rf "$work" $configuration.new' EXIT
case ${1-}-$# in
  node-4 | client-2) "$@" ;;
  *)
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
[ -n "$changed" ] || echo "provision.sh: nothing to change"
