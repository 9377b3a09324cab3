"""Who may ask the playground: this machine's browser at the address that was printed, and no page of another site.

A page elsewhere can make a browser send requests to 127.0.0.1, also under a name of its own that leads there (DNS rebinding).
So each request has to name this machine as its host and, where a page sends it, this page as its origin; and its path has to
begin with a token that no other page knows.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from archspec_play.policy import policy

MOST = 2 << 20
"""Bytes of a request: a spec is read up to a megabyte, and JSON writes some letters in several bytes."""

HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """Lets requests through that are from this machine's page, each answer with a policy for the browser."""

    def __init__(self, app: ASGIApp, token: str, hosts: Collection[str]) -> None:
        self.app = app
        self.token = token
        self.hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":  # uvicorn asks of the lifespan first; there are no sockets
            return
        nonce = scope["nonce"] = secrets.token_urlsafe(16)

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers["Content-Security-Policy"] = policy(nonce)
            await send(message)

        if (refused := self.refusal(scope["method"], scope["path"], Headers(scope=scope))) is not None:
            status, why = refused
            await PlainTextResponse(f"{why}\n", status)(scope, receive, protected)
            return
        if scope["path"] == f"/{self.token}":  # as one may type it; what the page asks for is below it
            await RedirectResponse(f"/{self.token}/")(scope, receive, protected)
            return
        inner = dict(scope, path=scope["path"].removeprefix(f"/{self.token}"))
        inner["raw_path"] = inner["path"].encode()
        await self.app(inner, receive, protected)

    def refusal(self, method: str, path: str, headers: Headers) -> tuple[int, str] | None:
        """Why a request is refused, and the status that says so; None for one that is answered."""
        if headers.get("host", "") not in self.hosts:
            return 403, "refused: this host is not the playground's"
        origin = headers.get("origin")
        if origin is not None and origin not in {f"http://{host}" for host in self.hosts}:
            return 403, "refused: a page of another origin asks"
        followed = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
        if (
            headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not followed
        ):  # a link that was shared
            return 403, "refused: a page of another site asks"
        token = path.split("/")[1] if "/" in path else ""
        if not secrets.compare_digest(token.encode(), self.token.encode()):
            return 403, "refused: the address lacks its token; open the one that `archspec play` printed"
        if method not in ("GET", "HEAD", "POST"):
            return 405, "refused: the playground is read with GET and asked with POST"
        if method == "POST":
            if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
                return 415, "refused: the playground takes JSON"
            if not headers.get("content-length", "").isascii() or not headers.get("content-length", "").isdigit():
                return 411, "refused: the length is not said"
            if int(headers["content-length"]) > MOST:
                return 413, "refused: that is longer than any spec"
        return None
