"""A network of the benchmark's own, so that results do not depend on how the machine's is set up."""

import os
import subprocess
import sys
from pathlib import Path

CONGESTION_CONTROL = "cubic"

INSIDE = "EVENKEEL_BENCH_NETNS"
SETTINGS = {
    # The kernel's default. One that paces, as BBR does, arms a timer for each large packet of loopback: the timers then
    # cost more than the proxies, and are paid by whoever runs when they are due.
    "tcp_congestion_control": CONGESTION_CONTROL,
    "ip_local_port_range": "1024 65535",
}


def enter():
    """Starts this program once more in a network namespace that has loopback only, unless it is there already. The
    namespace ends with the last program in it."""
    if os.environ.get(INSIDE) != str(os.getpid()):
        # `unshare` becomes the program: the process stays the same.
        environment = os.environ | {INSIDE: str(os.getpid())}
        os.execvpe("unshare", ["unshare", "--net", sys.executable, *sys.argv], environment)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for name, value in SETTINGS.items():
        Path("/proc/sys/net/ipv4", name).write_text(value)
