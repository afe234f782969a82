"""Downloads that resume, are checked, and appear whole or not at all."""

import http.client
import os
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from superfine.errors import UserError
from superfine.files import lock, sha256_of
from superfine.version import __version__

Progress = Callable[[int, int | None], None]
"""Told the bytes that are there, and how many there will be, where the server says so."""

CHUNK = 1 << 20
FAILURES = 4
"""Attempts in a row that may bring nothing new before the download is given up."""
WAIT = 1.0
"""Seconds before the second attempt; doubled before each further one."""
TIMEOUT = 30.0
"""Seconds without a sign from the server."""

_AGAIN = {408, 425, 429, 500, 502, 503, 504}
"""HTTP statuses that may pass by themselves."""


def download(
    url: str,
    path: Path,
    *,
    sha256: str | None = None,
    size: int | None = None,
    progress: Progress | None = None,
    way_out: str = "check the connection and run the same command again, it goes on where it stopped",
) -> Path:
    """Fetch ``url`` to ``path``; what is there already is checked and kept.

    What arrives is kept in ``.NAME.part`` beside ``path`` until it is complete and checked, then renamed. Interrupted in
    any way, killed included, the next call goes on from there: by ``Range``, and with ``If-Range`` on the server's
    validator, so that a file that has changed meanwhile is fetched from its start. Without a hash and without a validator
    it always starts anew. Of several processes that want the same file one fetches it and the others wait for it (not
    on Windows: there, do not start two).

    Parameters
    ----------
    url
        ``http://`` or ``https://``; redirections are followed, the proxies of the environment are used.
    path
        The file to be; its folder is made where missing.
    sha256
        Its hash, 64 hexadecimal digits. Without one, only the length that the server states is checked.
    size
        Its bytes, where known: a server that has another file is then noticed before the download.
    progress
        Called for every piece that arrives, and at once when part of the file is there already.
    way_out
        What a user without a connection is to do: the end of the message.

    Returns
    -------
    ``path``.

    Raises
    ------
    UserError
        No connection, the server refuses, another file than expected, a full disk, a folder that cannot be written; or
        ``path`` is there and is another file.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise UserError(f"{url}: not a download address; give one that starts with https://")
    path = Path(path)
    part, validator = path.with_name(f".{path.name}.part"), path.with_name(f".{path.name}.part.from")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if _is_there(path, sha256, size):
            return path
        with _alone(part):
            if _is_there(path, sha256, size):  # another process has fetched it while this one waited
                part.unlink(missing_ok=True)
                return path
            with part.open("ab") as file:
                came_from, version = _read(validator)
                if sha256 is None and not (came_from == url and version):
                    file.truncate(0)
                _fetch_all(url, file, validator, size, progress, way_out)
            if sha256 is not None and (found := sha256_of(part)) != sha256.lower():
                os.truncate(part, 0)
                raise UserError(f"{url}: gave another file than expected (SHA-256 {found}, not {sha256}); {way_out}")
            part.replace(path)
            validator.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}; free some space or choose another folder") from None
    return path


def _is_there(path: Path, sha256: str | None, size: int | None) -> bool:
    if not path.exists():
        return False
    wrong = (size is not None and path.stat().st_size != size) or (
        sha256 is not None and sha256_of(path) != sha256.lower()
    )
    if wrong:
        raise UserError(f"{path}: is there, but is not the file that is wanted; move it away or give another place")
    return True


@contextmanager
def _alone(part: Path) -> Iterator[None]:
    """Hold the lock of ``part``, which is made if missing; the system gives it back should this process be killed."""
    with part.open("ab") as file:
        if sys.platform != "win32":
            lock(file, wait=True)
            yield
    if sys.platform == "win32":  # where an open file cannot be renamed
        yield


def _fetch_all(
    url: str,
    file: BinaryIO,
    validator: Path,
    size: int | None,
    progress: Progress | None,
    way_out: str,
) -> None:
    """Append to ``file`` until it is complete, with new attempts after failures that may pass."""
    failures = 0
    while True:
        before = file.seek(0, 2)
        try:
            _fetch(url, file, validator, size, progress)
            file.flush()
            return
        except _NetworkError as error:
            failures = 1 if file.seek(0, 2) > before else failures + 1
            if error.lasting or failures >= FAILURES:
                raise UserError(f"{url}: {error}; {way_out}") from None
            time.sleep(WAIT * 2 ** (failures - 1))


class _NetworkError(Exception):
    """What went wrong on the way to the server; ``lasting`` where trying again is of no use."""

    def __init__(self, cause: object, *, lasting: bool = False) -> None:
        super().__init__(str(cause))
        self.lasting = lasting


def _fetch(url: str, file: BinaryIO, validator: Path, size: int | None, progress: Progress | None) -> None:
    """One request for what ``file`` lacks."""
    here = file.seek(0, 2)
    headers = {"User-Agent": f"superfine/{__version__}", "Accept-Encoding": "identity"}
    if here:
        headers["Range"] = f"bytes={here}-"
        known_url, known = _read(validator)
        if known_url == url and known:
            headers["If-Range"] = known
    with _answer(url, headers, file) as answer:
        if answer is None:
            if size not in (None, here):
                file.truncate(0)
                raise _NetworkError(f"the server has {here} bytes there, not {size}", lasting=True)
            return
        if answer.status != 206:
            file.truncate(here := 0)
        total = _total(answer, here)
        if size is not None and total not in (None, size):
            raise _NetworkError(f"the server has {total} bytes there, not {size}", lasting=True)
        wanted = size if total is None else total
        free = shutil.disk_usage(validator.parent).free
        if wanted is not None and free < wanted - here:
            raise UserError(
                f"{validator.parent}: {wanted - here} bytes are still to come, {free} are free; make room, then run it again"
            )
        validator.write_text(f"{url}\n{_validator(answer)}\n", encoding="utf-8")
        if progress:
            progress(here, wanted)
        while chunk := _piece(answer):
            file.write(chunk)
            here += len(chunk)
            if progress:
                progress(here, wanted)
    if wanted is not None and here != wanted:
        raise _NetworkError(f"the connection ended after {here} of {wanted} bytes", lasting=here > wanted)


@contextmanager
def _answer(url: str, headers: dict[str, str], file: BinaryIO) -> Iterator[http.client.HTTPResponse | None]:
    """The server's answer; None where it says that ``file`` is complete."""
    try:
        answer = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        with error:
            here = file.seek(0, 2)
            if error.code == 416 and error.headers.get("Content-Range", "").rpartition("/")[2] == str(here):
                answer = None
            elif error.code == 416:
                file.truncate(0)
                raise _NetworkError("the server has less than was fetched before") from None
            else:
                cause = f"the server answers {error.code} {error.reason}"
                raise _NetworkError(cause, lasting=error.code not in _AGAIN) from None
    except (OSError, http.client.HTTPException) as error:
        inner = getattr(error, "reason", error)
        raise _NetworkError(getattr(inner, "strerror", None) or str(inner) or type(error).__name__) from None
    if answer is None:
        yield None
    else:
        with answer:
            yield answer


def _piece(answer: http.client.HTTPResponse) -> bytes:
    try:
        return answer.read(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _NetworkError(getattr(error, "strerror", None) or error) from None


def _total(answer: http.client.HTTPResponse, here: int) -> int | None:
    """The length of the whole file, where the server states it."""
    if answer.status == 206:
        span, _, total = answer.headers.get("Content-Range", "").partition("/")
        if not span.startswith(f"bytes {here}-"):
            raise _NetworkError(f"the server was asked for byte {here} and sends {span or 'it does not say which'}")
        return int(total) if total.isdigit() else None
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdigit() else None


def _validator(answer: http.client.HTTPResponse) -> str:
    """What tells this version of the file from another one, or nothing: a strong ETag, else the date."""
    tag: str = answer.headers.get("ETag", "")
    return tag if tag.startswith('"') else answer.headers.get("Last-Modified", "")


def _read(validator: Path) -> tuple[str, str]:
    """Where the part came from, and its version there."""
    try:
        url, version, *_ = [*validator.read_text(encoding="utf-8").splitlines(), "", ""]
    except (OSError, ValueError):
        return "", ""
    return url, version
