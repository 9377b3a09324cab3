"""The server: loopback alone, until Ctrl-C."""

from __future__ import annotations

import errno
import os
import secrets
import socket
import sys
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from archspec_play.app import application
from archspec_play.opened import Opened

HOST = "127.0.0.1"


class PortError(Exception):
    """The port cannot be had; `help` says what to do."""

    def __init__(self, message: str, help: str) -> None:
        super().__init__(message)
        self.help = help


class Server(uvicorn.Server):
    """A server that leaves signals alone: Ctrl-C ends the process as it ends any, since there is nothing to put away."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take none."""
        yield


def serve(opened: Opened, port: int, include: Sequence[Path], *, browser: bool, say: Callable[[str], None]) -> None:
    """Serve the playground; `say` is told its address once it answers. Raises PortError."""
    with listening(port) as sock:
        port = sock.getsockname()[1]
        token = secrets.token_urlsafe(24)
        hosts = [f"{HOST}:{port}", f"localhost:{port}"]
        address = f"http://{HOST}:{port}/{token}/"
        config = uvicorn.Config(
            application(opened, token, hosts, include), http="h11", ws="none", loop="asyncio", lifespan="off",
            log_level="error", access_log=False, server_header=False, proxy_headers=False,
        )  # fmt: skip
        say(address)
        if browser and _has_screen():
            webbrowser.open(address)
        Server(config).run([sock])


@contextmanager
def listening(port: int) -> Iterator[socket.socket]:
    """A socket on this machine's own address alone, which connections wait at. Raises PortError."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        if sys.platform != "win32":  # where it would let two programs have one port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((HOST, port))
            sock.listen(64)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortError(
                    f"port {port} is taken by another program", "give another --port, or none"
                ) from None
            if error.errno == errno.EACCES:
                raise PortError(
                    f"port {port} may not be used by you", "give a --port from 1024 on, or none"
                ) from None
            raise
        yield sock


def _has_screen() -> bool:
    """Whether a browser would have a window, and not this terminal."""
    windowed = sys.platform in ("win32", "darwin")
    return windowed or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
