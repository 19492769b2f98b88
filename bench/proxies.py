"""The proxies under test and the server behind them: their configurations, how they start and when they are ready."""

import os
import resource
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

SIZES = {"tiny": 64, "1k": 1024, "64k": 64 << 10, "1m": 1 << 20}
FRONTENDS = ("http", "tls", "h2", "tcp", "rules")

# The host that loads ask for: every proxy has a rule for it.
HOST = "127.0.0.1"
DEADLINE_S = 15


# Conditions that no request of a load fulfils, in Evenkeel's words and in HAProxy's: thirty rules, as sites have them.
RULES = [rule for n in range(6) for rule in (
    (f'path_beg = "/internal-{n}/"', f"path_beg /internal-{n}/"),
    (f'path_end = ".bak{n}"', f"path_end .bak{n}"),
    (f'hdr_sub = {{ User-Agent = "scanner/{n}" }}', f"hdr_sub(User-Agent) scanner/{n}"),
    (f'src = "198.51.100.{16 * n}/28"', f"src 198.51.100.{16 * n}/28"),
    (f'urlp = {{ debug = "{n}" }}', f"urlp(debug) {n}"),
)]


def most_clients():
    """How many clients a proxy can have, each with a connection to a server, within the limit on descriptors: some are for
    pipes and listeners."""
    return min(15000, (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 1200) // 2)


def free_ports(count):
    """Ports nobody listens on. All are held at once, so that none comes twice."""
    held = [socket.socket() for _ in range(count)]
    for s in held:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


def certificate(directory):
    """A self-signed P-256 certificate with its key, in one file."""
    key, crt, both = (directory / n for n in ("key.pem", "crt.pem", "both.pem"))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=bench.test", "-addext", "subjectAltName=DNS:bench.test", "-keyout", key, "-out", crt],
        check=True, capture_output=True)
    both.touch(mode=0o600)
    both.write_text(crt.read_text() + key.read_text())
    return both


class Program:
    """A running program, pinned to a core, with everything it has forked."""

    def __init__(self, name, command, core, directory):
        self.name = name
        self.output = directory / f"{name}.log"
        with self.output.open("wb") as log:
            self.process = subprocess.Popen(
                ["taskset", "-c", str(core), *map(str, command)], stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def pids(self):
        """The program and its descendants."""
        found, due = [], [self.process.pid]
        while due:
            pid = due.pop()
            found.append(pid)
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    due.extend(map(int, task.read_text().split()))
                except (FileNotFoundError, ProcessLookupError):
                    continue
        return found

    def wait_until_it_answers(self, ports):
        """Until every port takes a connection."""
        until = time.monotonic() + DEADLINE_S
        for port in ports:
            while True:
                if self.process.poll() is not None:
                    raise SystemExit(f"{self.name} ended: {self.output.read_text()[-2000:]}")
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError as problem:
                    if time.monotonic() > until:
                        raise SystemExit(
                            f"{self.name} does not listen on {port}: {problem}\n"
                            f"{self.output.read_text()[-2000:]}") from problem
                    time.sleep(0.02)

    def stop(self):
        """Ends it, by force if it does not end by itself."""
        pids = self.pids()
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            self.process.wait(timeout=10)


def backend(directory, core, nginx):
    """A cheap server: nginx without a log. Small answers come from its configuration, large ones from files."""
    (port,) = free_ports(1)
    for name in ("64k", "1m"):
        (directory / name).write_bytes(b"x" * SIZES[name])
    small = "\n".join(f'location = /{n} {{ return 200 "{"x" * SIZES[n]}"; }}' for n in ("tiny", "1k"))
    config = directory / "backend.conf"
    config.write_text(f"""
daemon off; master_process off; pid {directory}/backend.pid; error_log {directory}/backend.err crit;
worker_rlimit_nofile 20000;
events {{ worker_connections 16000; }}
http {{
  access_log off; sendfile on; tcp_nodelay on; keepalive_timeout 300s; keepalive_requests 1000000000;
  {temporary(directory, "backend")}
  open_file_cache max=10;
  server {{
    listen 127.0.0.1:{port} backlog=4096; root {directory};
    {small}
  }}
}}""")
    program = Program("backend", [nginx, "-c", config], core, directory)
    program.wait_until_it_answers([port])
    return program, port


def temporary(directory, name):
    """nginx makes these directories even if it never uses them."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return " ".join(f"{kind}_temp_path {directory}/{name}-{kind};" for kind in kinds)


class Evenkeel:
    """This project, as it runs in production: keeper, guard and worker, with log, counters and checks."""

    frontends = FRONTENDS

    def __init__(self, binary):
        self.label = "evenkeel"
        self.binary = binary

    def start(self, name, directory, core, ports, backend_port, log_port, cert):
        """Starts it with one data thread."""
        config = directory / f"{name}.toml"
        deny = "\n  ".join(f"{{ deny = 403, if = {{ {ours} }} }}," for ours, _ in RULES)
        config.write_text(f"""
[global]
nbthread = 1
maxconn = {most_clients()}
hard_stop_after = "1s"
log = [{{ to = "127.0.0.1:{log_port}", facility = "local0", level = "info" }}]
tls = {{ tls_tickets = false, cache_size = 0 }}

[defaults]
timeout = {{ connect = "5s", client = "60s", server = "60s", http_request = "10s", http_keep_alive = "60s" }}
default_server = {{ check = true, inter = "2s" }}
maxconn = {most_clients()}

[frontend.web]
bind = [
  "127.0.0.1:{ports['http']}",
  "127.0.0.1:{ports['h2']}",
  {{ addr = "127.0.0.1:{ports['tls']}", ssl = true, crt = "{cert}" }},
]
forwardfor = true
use_backend = [{{ backend = "app", if = {{ host = "{HOST}" }} }}]

[table.per_ip]
type = "ip"
size = "100k"
expire = "60s"
store = {{ http_req_rate = "10s", http_err_rate = "10s" }}

[frontend.guarded]
bind = "127.0.0.1:{ports['rules']}"
forwardfor = true
default_backend = "app"
http_request = [
  {{ track = {{ sc = 0, key = "src", table = "per_ip" }} }},
  {{ deny = 429, if = {{ sc_http_req_rate = {{ sc = 0, table = "per_ip", gt = 1000000000 }} }} }},
  {deny}
]

[backend.app]
httpchk = "GET /tiny"
server = [{{ name = "s1", addr = "127.0.0.1:{backend_port}" }}]

[listen.stream]
mode = "tcp"
bind = "127.0.0.1:{ports['tcp']}"
server = [{{ name = "s1", addr = "127.0.0.1:{backend_port}" }}]
""")
        runtime = directory / f"{name}.run"
        runtime.mkdir(exist_ok=True)
        command = [self.binary, "run", "--config", config, "--node", "bench", "--runtime-dir", runtime]
        return Program(name, command, core, directory)


class Haproxy:
    """HAProxy with the same features."""

    frontends = FRONTENDS

    def __init__(self, binary, bare):
        words = subprocess.run([binary, "-v"], capture_output=True, text=True, check=True).stdout.split()
        self.label = f"haproxy {words[2].split('-')[0]}"
        self.binary = binary
        self.bare = bare

    def start(self, name, directory, core, ports, backend_port, log_port, cert):
        """Starts it with one thread. Splicing is on where it streams."""
        log = "" if self.bare else f"log 127.0.0.1:{log_port} local0 info"
        use = "" if self.bare else "log global"
        http = "" if self.bare else "option httplog"
        check = "" if self.bare else "check inter 2s"
        probe = "" if self.bare else "option httpchk GET /tiny"
        config = directory / f"{name}.cfg"
        deny = "\n  ".join(f"http-request deny if {{ {theirs} }}" for _, theirs in RULES)
        config.write_text(f"""
global
  nbthread 1
  maxconn {most_clients()}
  maxpipes 400
  tune.ssl.cachesize 0
  {log}
defaults
  mode http
  {use}
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout http-request 10s
  timeout http-keep-alive 60s
  http-reuse always
  option splice-auto
frontend web
  {http}
  bind 127.0.0.1:{ports['http']}
  bind 127.0.0.1:{ports['h2']}
  bind 127.0.0.1:{ports['tls']} ssl crt {cert} no-tls-tickets alpn http/1.1
  option forwardfor
  acl asked hdr(host),field(1,:) -i {HOST}
  use_backend app if asked
frontend guarded
  {http}
  bind 127.0.0.1:{ports['rules']}
  option forwardfor
  stick-table type ip size 100k expire 60s store http_req_rate(10s),http_err_rate(10s)
  http-request track-sc0 src
  http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt 1000000000 }}
  {deny}
  default_backend app
backend app
  {probe}
  server s1 127.0.0.1:{backend_port} {check}
listen stream
  mode tcp
  bind 127.0.0.1:{ports['tcp']}
  server s1 127.0.0.1:{backend_port} {check}
""")
        return Program(name, [self.binary, "-db", "-f", config], core, directory)


class Nginx:
    """nginx with the same features but health checks and tables, which it has not got. Mode tcp needs libnginx-mod-stream."""

    stream = Path("/usr/lib/nginx/modules/ngx_stream_module.so")

    def __init__(self, binary, bare):
        words = subprocess.run([binary, "-v"], capture_output=True, text=True, check=True).stderr
        self.label = "nginx " + words.strip().rsplit("/", 1)[-1]
        self.frontends = tuple(f for f in FRONTENDS if f != "rules" and (f != "tcp" or self.stream.exists()))
        self.binary = binary
        self.bare = bare

    def start(self, name, directory, core, ports, backend_port, log_port, cert):
        """Starts it with one process."""
        log = "off" if self.bare else f"syslog:server=127.0.0.1:{log_port},facility=local0 combined"
        load = f"load_module {self.stream};" if "tcp" in ports else ""
        stream = f"stream {{ server {{ listen 127.0.0.1:{ports['tcp']}; proxy_pass 127.0.0.1:{backend_port}; }} }}" \
            if load else ""
        config = directory / f"{name}.conf"
        config.write_text(f"""
{load}
daemon off; master_process off; pid {directory}/{name}.pid; error_log {directory}/{name}.err crit;
worker_rlimit_nofile 20000;
events {{ worker_connections 16000; }}
http {{
  access_log {log}; tcp_nodelay on; keepalive_timeout 60s; keepalive_requests 1000000000;
  {temporary(directory, name)}
  proxy_max_temp_file_size 0; proxy_buffer_size 16k; proxy_buffers 8 16k; proxy_busy_buffers_size 32k;
  upstream app {{ server 127.0.0.1:{backend_port}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{ports['http']} backlog=4096; listen 127.0.0.1:{ports['h2']} http2;
    listen 127.0.0.1:{ports['tls']} ssl; server_name {HOST};
    ssl_certificate {cert}; ssl_certificate_key {cert}; ssl_session_tickets off; ssl_session_cache off;
    location / {{
      proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}
  }}
}}
{stream}
""")
        return Program(name, [self.binary, "-c", config], core, directory)


def needed(programs):
    """Ends the run if a program is missing, saying what brings it."""
    packages = {"wrk": "wrk", "h2load": "nghttp2-client", "openssl": "openssl", "taskset": "util-linux",
                "unshare": "util-linux", "ip": "iproute2"}
    missing = [packages.get(p, p) for p in programs if shutil.which(str(p)) is None]
    if missing:
        raise SystemExit("missing: apt-get install " + " ".join(sorted(set(missing))))
