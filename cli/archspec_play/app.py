"""The application: the page, what it is made of, and what it asks, each answer as JSON."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from importlib.resources import files
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from archspec_play.guard import Guard
from archspec_play.opened import Opened
from archspec_play.playground import QUESTIONS, AskedError, Playground

FILES = {
    "play.js": "text/javascript",
    "play.css": "text/css",
    "icon.svg": "image/svg+xml",
    "licenses.txt": "text/plain",
}


def application(opened: Opened, token: str, hosts: Collection[str], include: Sequence[Path] = ()) -> Guard:
    """The playground as an ASGI application that answers the page alone."""
    playground = Playground(opened, include)

    async def answer(request: Request) -> Response:
        """The answer to a question. It waits for no other: the service looks at one document at a time."""
        try:
            told = playground.answer(request.url.path.rpartition("/")[2], (await request.body()).decode())
        except (AskedError, UnicodeDecodeError) as error:
            return PlainTextResponse(f"refused: {error}\n", 400)
        return Response(told, media_type="application/json")

    routes = [
        Route("/", _index),
        *(Route(f"/{name}", _file) for name in FILES),
        *(Route(f"/{name}", answer, methods=["POST"]) for name in QUESTIONS),
    ]
    return Guard(Starlette(routes=routes), token, hosts)


async def _index(request: Request) -> Response:
    """The page, whose styles the browser takes by the nonce of this answer."""
    text = page_file("index.html").decode().replace("{{nonce}}", request.scope["nonce"])
    return Response(text, media_type="text/html")


async def _file(request: Request) -> Response:
    """A file of the page."""
    name = request.url.path.rpartition("/")[2]
    return Response(page_file(name), media_type=FILES[name])


def page_file(name: str) -> bytes:
    """What a file of the page holds, as it is bundled."""
    return (files("archspec_play") / "page" / name).read_bytes()
