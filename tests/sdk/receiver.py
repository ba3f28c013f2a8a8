"""A customer's server: it records what is posted to it, and answers as a test has written down."""

import threading
from collections import defaultdict
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.sdk.gateway import until


@dataclass(frozen=True)
class Seen:
    """One request."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def fields(self) -> dict[str, str]:
        """The fields of the form, or of the query of a GET."""
        raw = self.body.decode() if self.method == "POST" else urlsplit(self.target).query
        return dict(parse_qsl(raw, keep_blank_values=True))

    @property
    def url(self) -> str:
        """The URL as the server that got it would write it."""
        return f"http://{self.headers['host']}{self.target}"


@dataclass(frozen=True)
class Answer:
    """What the server says."""

    status: int = 200
    body: str = "<Response/>"
    content_type: str = "text/xml"


class Receiver:
    """The server, on a free port of this machine."""

    def __init__(self) -> None:
        self._seen: list[Seen] = []
        self._script: dict[str, list[Answer]] = defaultdict(list)
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.base = f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, path: str, *answers: Answer | str) -> str:
        """Script the answers of a path, in order, the last for ever (text is TwiML); give its URL."""
        self._script[path] = [Answer(body=each) if isinstance(each, str) else each for each in answers]
        return self.base + path

    def seen(self, path: str) -> list[Seen]:
        """Give what came to a path so far, in order."""
        with self._lock:
            return [each for each in self._seen if urlsplit(each.target).path == path]

    def wait(self, path: str, count: int = 1) -> list[Seen]:
        """Give what came to a path, once it is so many requests."""
        return until(lambda: found if len(found := self.seen(path)) >= count else [], f"{count} requests to {path}")

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _take(self, seen: Seen) -> Answer:
        with self._lock:
            self._seen.append(seen)
            script = self._script.get(urlsplit(seen.target).path, [])
            if not script:
                return Answer()
            return script.pop(0) if len(script) > 1 else script[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self._take

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._serve()

            def do_POST(self) -> None:
                self._serve()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                said = take(Seen(self.command, self.path, headers, body))
                content = said.body.encode()
                self.send_response(said.status)
                self.send_header("content-type", said.content_type)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        return Handler
