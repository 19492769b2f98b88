#!/usr/bin/python3
"""Instruments of tests/systemd/run and of vagrant/, which watch from outside the nodes.

measure.py serve PORT            answers requests for HTTP with "hello"
measure.py ask URL               whether it is answered so
measure.py probe URL             says that it begins, asks every 10 ms; at SIGTERM prints the longest outage in
                                 milliseconds
measure.py overlap VIP LOG LOG   from logs of `ip -ts -o monitor address` of two nodes, how long both had the
                                 address at once, at most, in milliseconds
"""

import datetime
import http.client
import http.server
import re
import signal
import sys
import time
import urllib.parse

PAUSE = 0.01
# Less than a client would wait: what is slower than this is an outage.
PATIENCE = 0.25


class Hello(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n")


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        """Nothing: a node that is killed resets its connections."""


def serve(port):
    Server(("", int(port)), Hello).serve_forever()


def answers(host, port, path):
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status == 200 and response.read() == b"hello\n"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def parts(url):
    target = urllib.parse.urlsplit(url)
    return target.hostname, target.port or 80, target.path or "/"


def ask(url):
    if not answers(*parts(url)):
        sys.exit("no answer")


def probe(url):
    """An outage lasts from the start of the first failed request to the start of the next good one."""
    target = parts(url)
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    longest, since = 0.0, None
    print("asking", flush=True)
    while not stopped:
        start = time.monotonic()
        if answers(*target):
            longest, since = max(longest, start - since if since else 0.0), None
        elif since is None:
            since = start
        time.sleep(PAUSE)
    if since:
        longest = max(longest, time.monotonic() - since)
    print(round(longest * 1000))


def changes(log, vip):
    """When the address came and went: (time, whether it is there)."""
    line_of = re.compile(r"^\[(?P<at>[^]]+)\] (?P<gone>Deleted )?.* inet " + re.escape(vip) + "/")
    with open(log, encoding="utf-8") as lines:
        for line in lines:
            if match := line_of.match(line):
                yield datetime.datetime.fromisoformat(match["at"]), not match["gone"]


def overlap(vip, *logs):
    held = [False] * len(logs)
    longest, since = datetime.timedelta(), None
    events = sorted((at, node, there) for node, log in enumerate(logs) for at, there in changes(log, vip))
    for at, node, there in events:
        held[node] = there
        if all(held):
            since = since or at
        elif since:
            longest, since = max(longest, at - since), None
    # Both still have it: for ever, as far as the logs can tell.
    print("inf" if since else round(longest.total_seconds() * 1000))


if __name__ == "__main__":
    {"serve": serve, "ask": ask, "probe": probe, "overlap": overlap}[sys.argv[1]](*sys.argv[2:])
