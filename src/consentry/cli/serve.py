"""`consentry serve`: bind, start, say that it answers, drain on SIGTERM; or the same on a thread, for the demo."""

import asyncio
import contextlib
import gc
import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

import msgspec
import uvicorn
import uvloop

from consentry import logs
from consentry.app import Process, first_account, opened
from consentry.cli.session import make_folder
from consentry.kernel.errors import Invalid
from consentry.settings import Settings
from consentry.web.asgi import build

_log = logs.get("serve")
_BACKLOG: Final = 2048
_GRACE_S: Final = 15


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers (we drain first), which says when it answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answering = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self.answering.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to us."""
        yield


Ready = Callable[[Process, str], None]


def run(settings: Settings, ready: Ready) -> None:
    """Run a process until SIGTERM or SIGINT; `ready` is called once it answers. Errors: as `app.opened`."""
    uvloop.run(_until_signal(settings, ready))


class Background:
    """A whole gateway on a thread of this process, with a loop of its own, from `start` until `stop`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._base_url = ""
        self._error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._looping = threading.Event()
        self._started = threading.Event()
        # A daemon, so that a second Ctrl-C ends the program also while this drains.
        self._thread = threading.Thread(target=self._run, name="consentry.gateway", daemon=True)

    def start(self) -> str:
        """Start, and give the base URL once it answers. Errors: as `app.opened`."""
        self._thread.start()
        self._started.wait()
        if self._error is not None:
            raise self._error
        return self._base_url

    def wait(self) -> None:
        """Wait until it ends by itself."""
        self._thread.join()

    def stop(self) -> None:
        """Drain and end; also in the middle of a start, which is then finished first."""
        if self._thread.ident is None:
            return
        self._looping.wait()
        if self._loop is not None and not self._loop.is_closed():
            with contextlib.suppress(RuntimeError):  # it closed in between
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            uvloop.run(self._serve())
        except BaseException as error:
            self._error = error
        finally:
            self._looping.set()
            self._started.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._looping.set()
        await _serve(self._settings, self._ready, self._stop)

    def _ready(self, _: Process, base_url: str) -> None:
        self._base_url = base_url
        self._started.set()


async def _until_signal(settings: Settings, ready: Ready) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # From the first moment: a start that is interrupted is finished and then ended in order, so no server is left behind.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _asked, stop, number)

    def answering(process: Process, base_url: str) -> None:
        _settle_memory()
        if not stop.is_set():
            ready(process, base_url)

    await _serve(settings, answering, stop)


async def _serve(settings: Settings, ready: Ready, stop: asyncio.Event) -> None:
    listening = None if settings.role == "worker" else _bind(settings)
    if listening is not None:
        settings = msgspec.structs.replace(settings, port=listening.getsockname()[1])
    make_folder(settings)
    async with opened(settings) as ports:
        base_url = settings.base_url if settings.role != "worker" else _url_of_api(settings)
        if settings.role != "worker":
            await first_account(ports, settings, base_url)
        process = Process(replace(ports, base_url=base_url), settings)
        process.start()
        server = _Server(_config(process))
        serving = None if listening is None else asyncio.create_task(server.serve(sockets=[listening]))
        if serving is not None:
            await server.answering.wait()
        ready(process, base_url)
        if settings.ready_file is not None:
            settings.ready_file.write_text(base_url + "\n")
        _log.info("serve.ready", extra={"role": settings.role, "url": base_url})
        await stop.wait()
        process.draining = True
        if serving is not None:
            server.should_exit = True
            await serving
        await process.stop()
        _log.info("serve.stopped")


def _asked(stop: asyncio.Event, number: int) -> None:
    if stop.is_set():
        os._exit(128 + number)  # asked twice: at once
    stop.set()


def _url_of_api(settings: Settings) -> str:
    """Give the URL that platforms report to: a worker takes it from the API's credentials file, if nobody has set it."""
    try:
        given = json.loads((settings.data_dir / "credentials.json").read_text())
        return settings.public_url or str(given["base_url"])
    except (OSError, ValueError, KeyError):
        return settings.base_url


def _bind(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if settings.share_port:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        text = f"{settings.host}:{settings.port} cannot be listened on ({error.strerror}); choose another --port"
        raise Invalid(text, field="port") from error
    listening.listen(_BACKLOG)
    listening.setblocking(False)
    return listening


def _config(process: Process) -> uvicorn.Config:
    return uvicorn.Config(
        build(process.services),
        loop="none",
        http="httptools",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=True,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=_GRACE_S,
    )


def _settle_memory() -> None:
    """Take what was built at start out of the garbage collector's sight: it lives as long as the process."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
