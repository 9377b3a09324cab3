"""Files from the web: resumed where they were cut off, checked, and under their name only when they are whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any

from archspec_runtime.console import warn
from archspec_runtime.data.sources import checksum
from archspec_runtime.errors import DataError, RunError
from archspec_runtime.files.os_errors import not_written

CHUNK = 1 << 20
PAUSES = (0.5, 2.0, 5.0)  # seconds before a connection that was cut is tried again
TIMEOUT = 60.0  # seconds without a byte
Say = Callable[[str], None]


def is_url(text: str) -> bool:
    """Whether this names something on the web."""
    return text.startswith(("http://", "https://"))


def cache_folder() -> Path:
    """Where what was fetched is kept: `$XDG_CACHE_HOME/archspec`, or `~/.cache/archspec`. Raises RunError."""
    given = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(given) if given else Path.home() / ".cache") / "archspec"
    except RuntimeError:
        raise RunError(
            "there is no home folder to keep fetched files in", "set XDG_CACHE_HOME to a folder"
        ) from None


def cached(url: str) -> Path:
    """The file behind an address, fetched on first use."""
    name = url.partition("?")[0].rstrip("/").rpartition("/")[2] or "file"
    folder = cache_folder() / "web" / hashlib.sha256(url.encode()).hexdigest()[:16]
    path = folder / name
    if not path.is_file():
        fetch(url, path)
    return path


def fetch(
    url: str, target: Path, md5: str | None = None, largest: int | None = None, elsewhere: str = ""
) -> None:  # fmt: skip
    """Fetch a file, going on where an earlier try was cut off.

    Until it is whole and its checksum right it is called `TARGET.part`. Raises DataError where it cannot be had or is another
    file, RunError where it cannot be written. `elsewhere` says where else it may be had, after what helps.
    """
    part = target.with_name(f"{target.name}.part")
    if not is_url(url):
        raise DataError(f"{url!r} is no address", "addresses begin with https:// or http://")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for pause in (*PAUSES, None):
            try:
                _go_on(url, part, largest)
                break
            except (HTTPException, ConnectionError, TimeoutError, urllib.error.URLError) as error:
                if pause is None or _final(error):
                    raise DataError(
                        f"{url} cannot be fetched: {_reason(error)}", _advice(part) + elsewhere
                    ) from None
                warn(f"{url}: {_reason(error)}; going on at {_size(part):,} bytes")
                time.sleep(pause)
        if md5 is not None and (found := checksum(part, "md5")) != md5:
            part.unlink()
            message = f"{url} has the checksum {found} instead of {md5}: it is damaged, or another file"
            raise DataError(message, "fetch it again, or from the official site")
        os.replace(part, target)
    except OSError as error:
        raise RunError(
            f"cannot write {error.filename or target}: {error.strerror or error}",
            not_written(error, "give another folder"),
        ) from None


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a server to other addresses of the web, and from https to https alone."""

    def http_error_302(self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any) -> Any:
        """Look at where a server sends us before the library does, which follows to ftp and has no words for others."""
        if (place := headers.get("location") or headers.get("uri")) is not None:
            refused = self.refusal(req.full_url, urllib.parse.urljoin(req.full_url, place))
            if refused is not None:
                fp.close()
                raise refused
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    @staticmethod
    def refusal(url: str, other: str) -> DataError | None:
        """The error for one address that may not lead to the other; None where it may."""
        if not is_url(other.lower()):
            why = "which is not on the web"
        elif url.lower().startswith("https:") and not other.lower().startswith("https:"):
            why = "which is not encrypted, as the address is"
        else:
            return None
        message = f"{url} leads to {other}, {why}: it was not followed"
        return DataError(message, "give the address of the file itself")


def _go_on(url: str, part: Path, largest: int | None) -> None:
    start = _size(part)
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        opened = urllib.request.build_opener(Redirects).open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()  # an answer, whose connection stays open otherwise
        if error.code != 416 or not start:
            raise
        if error.headers.get("Content-Range", "").rpartition("/")[2] != str(start):
            part.unlink()  # what was there is no part of it
            _go_on(url, part, largest)
        return
    with opened as answer:
        if start and answer.status != 206:  # a server that does not resume sends all of it
            start = 0
        _save(answer, part, start, largest)


def _save(answer: HTTPResponse, part: Path, start: int, largest: int | None) -> None:
    length = answer.headers.get("Content-Length")
    expected = start + int(length) if length and length.isdigit() else None
    if largest is not None and max(start, expected or 0) > largest:
        raise DataError(f"{answer.url} is larger than {largest:,} bytes", "this is another file")
    with open(part, "r+b" if start else "wb") as file:
        file.seek(start)
        done = start
        while chunk := answer.read(CHUNK):
            done += len(chunk)
            if largest is not None and done > largest:
                raise DataError(f"{answer.url} is larger than {largest:,} bytes", "this is another file")
            file.write(chunk)
    if expected is not None and done < expected:
        raise ConnectionError(f"cut off after {done:,} of {expected:,} bytes")


def _final(error: Exception) -> bool:
    """Whether trying again cannot help: the server has answered, and it is no."""
    return isinstance(error, urllib.error.HTTPError) and error.code < 500


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server says {error.code} {error.reason}"
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason)


def _advice(part: Path) -> str:
    if size := _size(part):
        return f"the same command goes on after the {size:,} bytes that are there"
    return "check the address and the connection"


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0
