"""What a load costs: processor time, instructions, latency and memory of a proxy while a generator drives it."""

import re
import resource
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import proxies


@dataclass
class Window:
    """One stretch of load on one proxy."""

    requests: int
    seconds: float
    cpu_ns: int
    p50_us: float
    p99_us: float
    user_instructions: float | None = None
    kernel_instructions: float | None = None

    @property
    def cpu_us(self):
        """Processor time per request."""
        return self.cpu_ns / 1000 / self.requests

    @property
    def rate(self):
        """Requests per second."""
        return self.requests / self.seconds


def cpu_ns(pids):
    """Processor time so far, of all threads. The scheduler counts it in nanoseconds, `stat` in hundredths."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            try:
                total += int(task.read_text().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                continue
    return total


def pss_bytes(pids):
    """Memory in use; what processes share counts once."""
    total = 0
    for pid in pids:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += 1024 * int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1))
    return total


def wrk(core, url, seconds, conns, close):
    """wrk: HTTP/1.1, as fast as answers come. Requests and the latencies of half and of 99 % of them."""
    command = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{conns}", f"-d{max(1, round(seconds))}s", "--latency"]
    command += ["-H", "Connection: close"] if close else []
    text = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    done = re.search(r"(\d+) requests in ([\d.]+)(m?s)", text)
    requests = int(done.group(1))
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    broken = sum(map(int, re.findall(r"(?:connect|read|write|timeout) (\d+)", text)))
    if requests == 0 or bad or broken > requests / 100:
        raise SystemExit(f"wrk {url}: {text}")
    took = float(done.group(2)) / (1000 if done.group(3) == "ms" else 1)
    return requests, took, wrk_time(text, "50%"), wrk_time(text, "99%")


def wrk_time(text, which):
    """A latency in microseconds."""
    number, unit = re.search(rf"{which}\s+([\d.]+)(us|ms|s)", text).groups()
    return float(number) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]


def h2load(core, url, seconds, conns, streams, rate):
    """h2load: HTTP/2, or with a rate HTTP/1.1 at so many requests per second."""
    with tempfile.NamedTemporaryFile() as log:
        command = ["taskset", "-c", str(core), "h2load", "-t1", f"-c{conns}", f"-D{max(1, round(seconds))}",
                   f"--log-file={log.name}"]
        command += ["--h1", f"--rps={max(1, round(rate / conns))}"] if rate else [f"-m{streams}"]
        text = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
        times = []
        for line in Path(log.name).read_text().splitlines():
            _, status, took = line.split()[:3]
            if status == "200":
                times.append(int(took))
    failed = int(re.search(r"(\d+) failed", text).group(1))
    took = re.search(r"finished in ([\d.]+)(ms|s)", text)
    if not times or failed > len(times) / 100:
        raise SystemExit(f"h2load {url}: {text}")
    times.sort()
    seconds = float(took.group(1)) / (1000 if took.group(2) == "ms" else 1)
    return len(times), seconds, times[len(times) // 2], times[len(times) * 99 // 100]


def window(program, load):
    """Runs a load, and what it costs the program."""
    pids = program.pids()
    before = cpu_ns(pids)
    requests, seconds, p50, p99 = load()
    return Window(requests, seconds, cpu_ns(pids) - before, p50, p99)


def instructions(program, load):
    """Instructions per request in user and in kernel mode; `None` where there are no such counters."""
    if shutil.which("perf") is None:
        return None, None
    pids = ",".join(map(str, program.pids()))
    with tempfile.NamedTemporaryFile("r") as out:
        perf = subprocess.Popen(
            ["perf", "stat", "-x;", "-o", out.name, "-e", "instructions:u,instructions:k", "-p", pids],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # perf writes its result when it is interrupted, and counts once it has opened its events.
        until = time.monotonic() + 2
        while perf.poll() is None and time.monotonic() < until and not attached(perf.pid):
            time.sleep(0.01)
        requests = load()[0]
        perf.send_signal(2)
        perf.wait(timeout=10)
        counts = {}
        for line in out.read().splitlines():
            fields = line.split(";")
            if len(fields) > 2 and fields[0].isdigit():
                counts[fields[2]] = int(fields[0]) / requests
    return counts.get("instructions:u"), counts.get("instructions:k")


def attached(pid):
    """Whether perf has opened its counters."""
    try:
        return any("perf_event" in str(f.readlink()) for f in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False


def idle_bytes(program, port, count):
    """Memory per client that has had one answer and stays connected."""
    count = min(count, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200)
    ask = f"GET /tiny HTTP/1.1\r\nHost: {proxies.HOST}\r\n\r\n".encode()
    before, clients = pss_bytes(program.pids()), []
    try:
        for _ in range(count):
            client = socket.create_connection(("127.0.0.1", port), timeout=5)
            clients.append(client)
            client.sendall(ask)
            answer = b""
            while not answer.endswith(b"x" * 64):
                more = client.recv(4096)
                if not more:
                    raise SystemExit(f"{program.name} closed a client: {answer!r}")
                answer += more
        return (pss_bytes(program.pids()) - before) / count
    finally:
        for client in clients:
            client.close()
