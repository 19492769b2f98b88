#!/usr/bin/python3
"""Both ends of gRPC, by Debian's python3-grpcio.

    grpc_peer.py serve ADDR TLS_ADDR KEY CRT     a server, in clear text and inside TLS
    grpc_peer.py ask ADDR [CA]                   a client that tries every kind of call and every kind of end

The messages are plain bytes, so that no protocol compiler is needed. The client prints "done" or how it failed.
"""

import queue
import sys
import threading
from concurrent import futures

import grpc

PATIENCE_S = 20
LARGE = b"x" * 3_000_000
NAME = "www.example.com"
DIRECT = (("grpc.enable_http_proxy", 0),)


class Calls(grpc.GenericRpcHandler):
    """What the server does, by the name of the method."""

    def __init__(self):
        self.started = threading.Event()
        self.given_up = threading.Event()

    def service(self, details):
        methods = {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "Items": grpc.unary_stream_rpc_method_handler(self.items),
            "Total": grpc.stream_unary_rpc_method_handler(self.total),
            "Echo": grpc.stream_stream_rpc_method_handler(self.echo),
            "Fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "FailLate": grpc.unary_stream_rpc_method_handler(self.fail_late),
            "Wait": grpc.unary_unary_rpc_method_handler(self.wait),
            "Started": grpc.unary_unary_rpc_method_handler(self.has_started),
            "GivenUp": grpc.unary_unary_rpc_method_handler(self.was_given_up),
        }
        return methods.get(details.method.rsplit("/", 1)[1])

    def unary(self, request, context):
        context.send_initial_metadata((("x-first", "1"),))
        context.set_trailing_metadata((("x-last", "2"), ("x-bytes-bin", b"\0\1")))
        return b"got " + request

    def items(self, request, context):
        for i in range(int(request)):
            yield b"%d" % i
        context.set_trailing_metadata((("x-count", request.decode()),))

    def total(self, requests, context):
        return b"%d" % sum(map(len, requests))

    def echo(self, requests, context):
        yield from requests

    def fail(self, request, context):
        context.abort(grpc.StatusCode.NOT_FOUND, "no such thing: \u00fc")

    def fail_late(self, request, context):
        yield b"one"
        context.abort(grpc.StatusCode.DATA_LOSS, "lost")

    def wait(self, request, context):
        """Until the client has had enough."""
        self.given_up.clear()
        context.add_callback(self.given_up.set)
        self.started.set()
        self.given_up.wait(PATIENCE_S)
        return b""

    def has_started(self, request, context):
        has = self.started.wait(PATIENCE_S)
        self.started.clear()
        return b"yes" if has else b"no"

    def was_given_up(self, request, context):
        return b"yes" if self.given_up.wait(PATIENCE_S) else b"no"


def serve(address, tls_address, key, crt):
    server = grpc.server(futures.ThreadPoolExecutor(32), handlers=[Calls()])
    with open(key, "rb") as key, open(crt, "rb") as crt:
        credentials = grpc.ssl_server_credentials([(key.read(), crt.read())])
    server.add_insecure_port(address)
    server.add_secure_port(tls_address, credentials)
    server.start()
    server.wait_for_termination()


def fields(metadata):
    return {name: value for name, value in metadata}


def expect(code, call):
    """Makes a call that has to end like this; its details."""
    try:
        call()
    except grpc.RpcError as error:
        assert error.code() == code, error
        return error.details()
    raise AssertionError(f"{code} expected")


def ask(channel):
    def unary(name):
        return channel.unary_unary("/test.Calls/" + name)

    answer, call = unary("Unary").with_call(b"it", timeout=PATIENCE_S, wait_for_ready=True)
    last = fields(call.trailing_metadata())
    assert answer == b"got it", answer
    assert fields(call.initial_metadata()).get("x-first") == "1", call.initial_metadata()
    assert (last.get("x-last"), last.get("x-bytes-bin")) == ("2", b"\0\1"), last
    assert unary("Unary")(LARGE, timeout=PATIENCE_S) == b"got " + LARGE

    for count in (0, 500):
        items = channel.unary_stream("/test.Calls/Items")(b"%d" % count, timeout=PATIENCE_S)
        assert len(list(items)) == count
        assert fields(items.trailing_metadata()).get("x-count") == str(count)
    total = channel.stream_unary("/test.Calls/Total")
    assert total(iter([b"abc"] * 1000), timeout=PATIENCE_S) == b"3000"
    # Each message waits for the answer to the one before it.
    questions = queue.Queue()
    answers = channel.stream_stream("/test.Calls/Echo")(iter(questions.get, None), timeout=PATIENCE_S)
    for i in range(50):
        questions.put(b"%d" % i)
        assert next(answers) == b"%d" % i
    questions.put(None)
    assert list(answers) == []

    # Statuses without a message, behind messages, and of the library itself.
    details = expect(grpc.StatusCode.NOT_FOUND, lambda: unary("Fail")(b"", timeout=PATIENCE_S))
    assert details == "no such thing: \u00fc", details
    late = channel.unary_stream("/test.Calls/FailLate")(b"", timeout=PATIENCE_S)
    assert next(late) == b"one"
    assert expect(grpc.StatusCode.DATA_LOSS, lambda: next(late)) == "lost"
    expect(grpc.StatusCode.UNIMPLEMENTED, lambda: unary("Nothing")(b"", timeout=PATIENCE_S))

    # A deadline that passes, and a call taken back: the server hears of both.
    expect(grpc.StatusCode.DEADLINE_EXCEEDED, lambda: unary("Wait")(b"", timeout=0.3))
    assert unary("Started")(b"", timeout=PATIENCE_S) == b"yes"
    assert unary("GivenUp")(b"", timeout=PATIENCE_S) == b"yes"
    waiting = unary("Wait").future(b"")
    assert unary("Started")(b"", timeout=PATIENCE_S) == b"yes"
    waiting.cancel()
    assert unary("GivenUp")(b"", timeout=PATIENCE_S) == b"yes"

    with futures.ThreadPoolExecutor(16) as pool:
        answers = pool.map(lambda i: unary("Unary")(b"%d" % i, timeout=PATIENCE_S), range(300))
        assert list(answers) == [b"got %d" % i for i in range(300)]


def open_channel(address, ca=None):
    if ca is None:
        return grpc.insecure_channel(address, DIRECT)
    with open(ca, "rb") as ca:
        credentials = grpc.ssl_channel_credentials(ca.read())
    return grpc.secure_channel(address, credentials, (("grpc.ssl_target_name_override", NAME), *DIRECT))


if __name__ == "__main__":
    role, arguments = sys.argv[1], sys.argv[2:]
    if role == "serve":
        serve(*arguments)
    else:
        with open_channel(*arguments) as channel:
            ask(channel)
        print("done")
