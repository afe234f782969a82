"""Fetching of data sets, against a server on this machine that resumes, breaks off, lies or refuses."""

import gzip
import hashlib
import io
import json
import re
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from superfine import download as downloading
from superfine.data.fetch import RECORD, SOURCES, Archive, Fetched, fetch
from superfine.data.unpack import unpack
from superfine.errors import UserError

PICTURES = {f"Set_HR/{n}.png": np.random.default_rng(n).bytes(30_000 + n) for n in range(5)}


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in members.items():
            packed.writestr(name, data)
    return file.getvalue()


def tarred(members: dict[str, bytes], compression: str = "gz") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=f"w:{compression}") as packed:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))
    return file.getvalue()


ZIP = zipped({"Set_HR/": b"", **PICTURES, "Set_HR/readme.txt": b"hello", "__MACOSX/Set_HR/._0.png": b"rubbish"})


@dataclass
class Server:
    """What the server has, and how it misbehaves."""

    data: bytes = ZIP
    ranges: bool = True
    cut: list[int] = field(default_factory=list)  # answers that end after so many bytes
    status: int = 200
    asked: list[str | None] = field(default_factory=list)  # the Range of each request
    url: str = ""

    def archive(self, **changes: Any) -> Archive:
        digest = hashlib.sha256(ZIP).hexdigest()
        whole = Archive("Set", self.url, 0.1, 5, "for tests", size=len(ZIP), sha256=digest, published="here")
        return replace(whole, **changes)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(downloading, "WAIT", 0.0)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            span = self.headers.get("Range")
            state.asked.append(span)
            start = int(span.removeprefix("bytes=").removesuffix("-")) if span and state.ranges else 0
            body = state.data[start:] if state.status == 200 else b""
            self.send_response(206 if start else state.status)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(state.data) - 1}/{len(state.data)}")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", '"1"')
            self.end_headers()
            if state.cut:
                body = body[: state.cut.pop(0)]
            with suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        state.url = f"http://127.0.0.1:{http.server_address[1]}/Set_HR.zip"
        yield state
        http.shutdown()
        thread.join()


def assert_complete(folder: Path) -> None:
    assert {file.name for file in folder.iterdir()} == {f"{n}.png" for n in range(5)} | {RECORD}
    for name, data in PICTURES.items():
        assert (folder / name.removeprefix("Set_HR/")).read_bytes() == data


def test_a_set_is_fetched_checked_and_unpacked(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    got = fetch(server.archive(), tmp_path / "sets", progress=lambda *p: seen.append(p))
    assert (got.folder, got.pictures, got.verified, got.already) == (tmp_path / "sets" / "Set", 5, True, False)
    assert_complete(got.folder)
    assert [file.name for file in (tmp_path / "sets").iterdir()] == ["Set"]  # the archive is gone
    unpacked = sum(len(data) for data in PICTURES.values())
    assert (len(ZIP), len(ZIP)) in seen
    assert seen[-1] == (unpacked, unpacked)
    record = json.loads((got.folder / RECORD).read_text())
    assert record["url"] == server.url
    assert (record["sha256"], record["pictures"], record["verified"]) == (got.sha256, 5, True)

    again = fetch(server.archive(), tmp_path / "sets")
    assert again == replace(got, already=True)
    assert len(server.asked) == 1


@pytest.mark.parametrize("ranges", [True, False])
def test_an_interrupted_transfer_goes_on(server: Server, tmp_path: Path, ranges: bool) -> None:
    server.ranges, server.cut = ranges, [50_000, 10**9] if not ranges else [50_000, 40_000]
    got = fetch(server.archive(), tmp_path)
    assert_complete(got.folder)
    assert server.asked[:2] == [None, "bytes=50000-"]
    assert len(server.asked) == (3 if ranges else 2)


def test_the_next_command_goes_on_where_the_last_one_gave_up(server: Server, tmp_path: Path) -> None:
    server.cut = [50_000, 0, 0, 0, 0]
    with pytest.raises(UserError, match="run the same command again"):
        fetch(server.archive(), tmp_path)
    assert not (tmp_path / "Set").exists()
    tries = len(server.asked)
    server.cut = []
    assert_complete(fetch(server.archive(), tmp_path).folder)
    assert server.asked[tries:] == ["bytes=50000-"]


def test_another_file_than_published_is_refused(server: Server, tmp_path: Path) -> None:
    server.data = ZIP[:-1] + b"!"
    with pytest.raises(UserError, match=r"gave another file than expected \(SHA-256 [0-9a-f]{64}, not [0-9a-f]{64}\)"):
        fetch(server.archive(), tmp_path)
    assert [file for file in tmp_path.iterdir() if not file.name.startswith(".")] == []
    server.data = ZIP
    assert_complete(fetch(server.archive(), tmp_path).folder)


@pytest.mark.parametrize("status", [404, 403])
def test_offline_it_is_said_what_to_place_where(server: Server, tmp_path: Path, status: int) -> None:
    server.status = status
    with pytest.raises(UserError) as caught:
        fetch(server.archive(), tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{server.url}: the server answers {status}")
    assert message.endswith(f"put it at {tmp_path / 'Set_HR.zip'} and run it again")
    assert "\n" not in message

    (tmp_path / "Set_HR.zip").write_bytes(ZIP)
    assert_complete(fetch(server.archive(), tmp_path).folder)
    assert (tmp_path / "Set_HR.zip").read_bytes() == ZIP  # brought by hand, so it stays
    assert len(server.asked) == 1


def test_without_a_server_the_same_is_said(tmp_path: Path) -> None:
    archive = Archive("Set", "http://127.0.0.1:9/Set_HR.zip", 1, 5, "")
    downloading.WAIT, wait = 0.0, downloading.WAIT
    try:
        with pytest.raises(UserError, match=re.escape(str(tmp_path / "Set_HR.zip"))):
            fetch(archive, tmp_path)
    finally:
        downloading.WAIT = wait


def test_a_wrong_file_placed_by_hand_is_refused_and_left(server: Server, tmp_path: Path) -> None:
    (tmp_path / "Set_HR.zip").write_bytes(ZIP[:-1])
    with pytest.raises(UserError, match="is there, but is not the file that is wanted"):
        fetch(server.archive(), tmp_path)
    assert (tmp_path / "Set_HR.zip").stat().st_size == len(ZIP) - 1


def test_where_no_hash_is_published_that_is_said(server: Server, tmp_path: Path) -> None:
    got = fetch(server.archive(sha256=None, size=None, published=None), tmp_path)
    assert (got.verified, got.sha256) == (False, hashlib.sha256(ZIP).hexdigest())


def test_a_folder_of_the_user_is_not_touched(server: Server, tmp_path: Path) -> None:
    (tmp_path / "Set").mkdir()
    with pytest.raises(UserError, match="is there, but was not fetched; move it away, or give another --to"):
        fetch(server.archive(), tmp_path)
    assert server.asked == []


def test_another_number_of_pictures_leaves_nothing_unpacked(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Set_HR\.zip\.fetched: holds 5 pictures, not 6; delete it"):
        fetch(server.archive(pictures=6), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["Set_HR.zip.fetched"]


def test_killed_while_unpacking_it_starts_that_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / ".Set.part").mkdir()
    (tmp_path / ".Set.part" / "0.png").write_bytes(b"half")

    def killed(done: int, total: int | None) -> None:
        if total != len(ZIP) and done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(server.archive(), tmp_path, progress=killed)
    assert [file.name for file in tmp_path.iterdir()] == ["Set_HR.zip.fetched"]
    assert_complete(fetch(server.archive(), tmp_path).folder)
    assert len(server.asked) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["Set"], "what was downloaded is removed after a stop too"


@pytest.mark.skipif(sys.platform == "win32", reason="there, folders have no locks")
def test_of_several_at_once_one_unpacks_and_the_others_wait(server: Server, tmp_path: Path) -> None:
    others: list[Fetched] = []
    other = threading.Thread(target=lambda: others.append(fetch(server.archive(), tmp_path)))

    def joined_by_another(done: int, total: int | None) -> None:
        if total != len(ZIP) and done and other.ident is None:
            other.start()
            other.join(0.2)  # it must not get far

    got = fetch(server.archive(), tmp_path, progress=joined_by_another)
    other.join()
    assert others == [replace(got, already=True)]
    assert_complete(got.folder)


def link(name: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as packed:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        packed.addfile(info)
    return file.getvalue()


def zipped_link() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        info = zipfile.ZipInfo("a.png")
        info.external_attr = 0o120777 << 16
        packed.writestr(info, "/etc/passwd")
    return file.getvalue()


GOOD = {"a.png": b"a"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (zipped(GOOD | {"../b.png": b"b"}), "'../b.png' in it is a link or lies outside its folder"),
        (zipped(GOOD | {"x/../../b.txt": b"b"}), "lies outside"),
        (zipped(GOOD | {"/b.png": b"b"}), "lies outside"),
        (zipped(GOOD | {"C:b.png": b"b"}), "lies outside"),
        (tarred(GOOD | {"..\\b.png": b"b"}), "lies outside"),
        (tarred(GOOD | {"/tmp/b.png": b"b"}), "lies outside"),
        (link("a.png"), "is a link"),
        (zipped_link(), "is a link"),
        (zipped({"notes.txt": b"no pictures"}), "holds 0 pictures; delete it"),
        (tarred(PICTURES)[:-5000], "is damaged"),
        (zipped(PICTURES)[:-10], "is damaged"),
        (zipped(PICTURES).replace(PICTURES["Set_HR/3.png"][:50], b"?" * 50), "is damaged"),
        (gzip.compress(b"no archive", mtime=0), "is damaged"),
        (b"", "is damaged"),
    ],
)
def test_archives_that_are_unsafe_or_damaged_are_refused(tmp_path: Path, data: bytes, message: str) -> None:
    archive = tmp_path / "archive"
    archive.write_bytes(data)
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(UserError) as caught:
        unpack(archive, inside / "Set")
    assert str(caught.value).startswith(f"{archive}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert {file.name for file in tmp_path.iterdir()} == {"archive", "inside"}
    assert {file.name for file in inside.iterdir()} <= {"Set"}


@pytest.mark.parametrize("pack", [zipped, tarred, lambda members: tarred(members, "")])
def test_folders_in_an_archive_are_kept_but_not_the_one_around_all(
    tmp_path: Path, pack: Callable[[dict[str, bytes]], bytes]
) -> None:
    for number, (members, expected) in enumerate(
        [
            ({"top/a.png": b"1", "top/sub/b.JPG": b"2"}, {"a.png", "sub/b.JPG"}),
            ({"a.png": b"1", "top/b.png": b"2"}, {"a.png", "top/b.png"}),
            ({"./top/a.png": b"1"}, {"a.png"}),
        ]
    ):
        (tmp_path / "archive").write_bytes(pack(members))
        folder = tmp_path / str(number)
        assert unpack(tmp_path / "archive", folder) == len(expected)
        assert {f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.is_file()} == expected


def test_too_little_room_is_noticed_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "archive").write_bytes(ZIP)
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    with pytest.raises(UserError, match="takes 150010 bytes, 1000 are free"):
        unpack(tmp_path / "archive", tmp_path / "Set")


def test_the_table_of_sources_is_sound() -> None:
    assert set(SOURCES) == {"div2k", "flickr2k", "set5", "set14", "bsd100", "urban100"}
    folders = [archive.folder for archives in SOURCES.values() for archive in archives]
    assert len(set(folders)) == len(folders)
    for archive in (archive for archives in SOURCES.values() for archive in archives):
        assert archive.url.startswith("https://")
        assert archive.file.endswith((".zip", ".tar.gz"))
        assert (archive.sha256 is None) == (archive.published is None)
        # Without a hash, the address is that of one version.
        assert re.fullmatch("[0-9a-f]{64}", archive.sha256 or "") or re.search("/resolve/[0-9a-f]{40}/", archive.url)
