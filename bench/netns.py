"""A network of the benchmark's own, so that results do not depend on how the machine's is set up."""

import os
import subprocess
import sys
from pathlib import Path

# The kernel's default, or where that is not allowed the one that always is. One that paces, as BBR does, arms a timer for
# each large packet of loopback: the timers then cost more than the proxies, and are paid by whoever runs when they are due.
CONGESTION_CONTROLS = ("cubic", "reno")

INSIDE = "EVENKEEL_BENCH_NETNS"
SETTINGS = Path("/proc/sys/net/ipv4")


def congestion_control():
    """How senders find their rate here."""
    return (SETTINGS / "tcp_congestion_control").read_text().strip()


def enter():
    """Starts this program once more in a network namespace that has loopback only, unless it is there already. The
    namespace ends with the last program in it."""
    if os.environ.get(INSIDE) != str(os.getpid()):
        # `unshare` becomes the program: the process stays the same.
        environment = os.environ | {INSIDE: str(os.getpid())}
        os.execvpe("unshare", ["unshare", "--net", sys.executable, *sys.argv], environment)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    allowed = (SETTINGS / "tcp_allowed_congestion_control").read_text().split()
    wanted = next(name for name in CONGESTION_CONTROLS if name in allowed)
    (SETTINGS / "tcp_congestion_control").write_text(wanted)
    (SETTINGS / "ip_local_port_range").write_text("1024 65535")
