"""An HTTP server on loopback with Common Crawl's layout that throttles, drops connections, truncates and lies."""

import contextlib
import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Fault = Callable[["Answer"], None]


@dataclass
class Answer:
    """What is about to be sent; a fault changes it."""

    handler: BaseHTTPRequestHandler
    body: bytes
    start: int = 0
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    sent: int | None = None
    """Bytes of the body that are sent before the connection is closed; None: all."""


@dataclass
class Server:
    address: str
    files: dict[str, bytes]
    faults: list[Fault | None] = field(default_factory=list)
    """One for each request to a file, in order; None and what comes after the last: no fault."""
    requests: list[tuple[float, str, str]] = field(default_factory=list)
    """Time, path, Range header."""
    until: float = 0.0
    """A storm: every request before this (monotonic) time is answered with 429."""

    def asked(self) -> Counter[str]:
        return Counter(path for _, path, _ in self.requests)


def status(code: int, **headers: str) -> Fault:
    def fault(answer: Answer) -> None:
        answer.status, answer.body = code, b"<Error><Code>SlowDown</Code></Error>"
        answer.headers = {"Content-Type": "application/xml", **{k.replace("_", "-"): v for k, v in headers.items()}}

    return fault


def cut_after(size: int) -> Fault:
    """The connection ends early; the announced length is the true one."""

    def fault(answer: Answer) -> None:
        answer.sent = size

    return fault


def truncated(size: int) -> Fault:
    """A shorter file than there is, with a length that says so."""

    def fault(answer: Answer) -> None:
        answer.body = answer.body[:size]
        answer.headers["Content-Length"] = str(len(answer.body))

    return fault


def error_page(answer: Answer) -> None:
    """An XML error under status 200."""
    answer.body = b"<?xml version='1.0'?><Error><Code>SlowDown</Code></Error>"
    answer.headers |= {"Content-Type": "application/xml", "Content-Length": str(len(answer.body))}


def unlabelled_error_page(answer: Answer) -> None:
    answer.body = b"<Error>busy</Error>"
    answer.headers |= {"Content-Length": str(len(answer.body))}


def wrong_range(answer: Answer) -> None:
    answer.headers["Content-Range"] = f"bytes 0-9/{len(answer.body) + answer.start}"


def hang_up(answer: Answer) -> None:
    answer.sent = -1


def answer_range(answer: Answer, asked: str, whole: bytes) -> None:
    """`bytes=a-`, `bytes=a-b` and `bytes=-n` of a file."""
    first, _, last = asked.removeprefix("bytes=").partition("-")
    start = int(first) if first else max(0, len(whole) - int(last))
    end = min(int(last) + 1, len(whole)) if first and last else len(whole)
    if start >= len(whole):
        answer.status, answer.body = 416, b""
        answer.headers = {"Content-Range": f"bytes */{len(whole)}"}
        return
    answer.start, answer.body, answer.status = start, whole[start:end], 206
    answer.headers["Content-Length"] = str(len(answer.body))
    answer.headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(whole)}"


def whole_file(answer: Answer) -> None:
    """The server does not know ranges."""
    answer.status = 200


@contextlib.contextmanager
def serve(files: dict[str, bytes], *, etag: bool = True) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            state.requests.append((time.monotonic(), self.path, asked))
            whole = state.files.get(self.path.lstrip("/"))
            answer = Answer(self, whole or b"no such key", status=200 if whole is not None else 404)
            tag = '"' + hashlib.sha1(whole or b"").hexdigest() + '"'
            if whole is not None:
                answer.headers = {"Content-Type": "application/octet-stream", "Content-Length": str(len(whole))}
                if etag:
                    answer.headers["ETag"] = tag
                if asked and self.headers.get("If-Range", tag) == tag:
                    answer_range(answer, asked, whole)
            if time.monotonic() < state.until:
                status(429)(answer)
            elif whole is not None and state.faults and (fault := state.faults.pop(0)):
                fault(answer)
            if answer.sent == -1:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in ({"Content-Length": str(len(answer.body))} | answer.headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body if answer.sent is None else answer.body[: answer.sent])
            self.close_connection = self.close_connection or answer.sent is not None

        def log_message(self, *args: object) -> None:
            pass

    class QuietServer(ThreadingHTTPServer):
        def handle_error(self, *args: object) -> None:
            """A client that goes is no news here."""

    with QuietServer(("127.0.0.1", 0), Handler) as server:
        state = Server(f"http://127.0.0.1:{server.server_port}/", files)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
