"""Downloads against a real server on this machine: resumed, checked, whole or not at all."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from superfine import download as module
from superfine.download import download
from superfine.errors import UserError

DATA = bytes(range(256)) * 4096
SHA = hashlib.sha256(DATA).hexdigest()


@dataclass
class Server:
    """A server of one file, that can be told to misbehave."""

    data: bytes = DATA
    etag: str = '"v1"'
    cut: int | None = None  # closes the connection after so many bytes of an answer
    cuts: int = 0  # how many times more
    statuses: list[int] = field(default_factory=list)  # answered first
    ranges: bool = True
    states_length: bool = True
    requests: list[dict[str, str]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(module, "WAIT", 0.0)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests.append(dict(self.headers))
            start = 0
            asked = self.headers.get("Range")
            if asked and state.ranges and self.headers.get("If-Range", state.etag) == state.etag:
                start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if state.statuses:
                self.send_response(state.statuses.pop(0))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if start and start >= len(state.data):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(state.data)}")
                self.end_headers()
                return
            body = state.data[start:]
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(state.data) - 1}/{len(state.data)}")
            if state.states_length:
                self.send_header("Content-Length", str(len(body)))
            if state.etag:
                self.send_header("ETag", state.etag)
            self.end_headers()
            if state.cuts and state.cut is not None:
                state.cuts -= 1
                body = body[: state.cut]
            with suppress(BrokenPipeError, ConnectionResetError):  # the other side hangs up
                self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        state.url = f"http://127.0.0.1:{http.server_address[1]}/file.bin"
        yield state
        http.shutdown()
        thread.join()


def only_file(folder: Path, name: str = "file.bin") -> None:
    assert [file.name for file in folder.iterdir()] == [name]


def test_a_file_arrives(server: Server, tmp_path: Path) -> None:
    seen = []
    path = download(
        server.url, tmp_path / "new" / "file.bin", sha256=SHA, size=len(DATA), progress=lambda *p: seen.append(p)
    )
    assert path.read_bytes() == DATA
    only_file(path.parent)
    assert seen[0] == (0, len(DATA))
    assert seen[-1] == (len(DATA), len(DATA))


def test_what_is_there_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(DATA)
    download(server.url, path, sha256=SHA)
    assert server.requests == []
    path.write_bytes(DATA[:-1])
    with pytest.raises(UserError, match="is there, but is not the file that is wanted"):
        download(server.url, path, sha256=SHA)
    assert path.read_bytes() == DATA[:-1]


@pytest.mark.parametrize("sha256", [SHA, None])
def test_cut_connections_are_resumed_within_one_call(server: Server, tmp_path: Path, sha256: str | None) -> None:
    server.cut, server.cuts = 300_000, 3
    assert download(server.url, tmp_path / "file.bin", sha256=sha256).read_bytes() == DATA
    assert [r.get("Range") for r in server.requests] == [None, "bytes=300000-", "bytes=600000-", "bytes=900000-"]
    only_file(tmp_path)


@pytest.mark.parametrize("sha256", [SHA, None])
def test_a_later_call_goes_on(server: Server, tmp_path: Path, sha256: str | None) -> None:
    path = tmp_path / "file.bin"

    def stop(here: int, total: int | None) -> None:
        if here == 400_000:
            raise KeyboardInterrupt

    server.cut, server.cuts = 400_000, 99
    with pytest.raises(KeyboardInterrupt):
        download(server.url, path, sha256=sha256, progress=stop)
    assert not path.exists()
    server.cuts = 0
    seen = []
    download(server.url, path, sha256=sha256, progress=lambda *p: seen.append(p))
    assert path.read_bytes() == DATA
    assert server.requests[-1]["Range"] == "bytes=400000-"
    assert seen[0] == (400_000, len(DATA))
    only_file(tmp_path)


def part_of(path: Path, url: str, data: bytes, version: str) -> None:
    path.with_name(f".{path.name}.part").write_bytes(data)
    path.with_name(f".{path.name}.part.from").write_text(f"{url}\n{version}\n")


@pytest.mark.parametrize("sha256", [SHA, None])
def test_a_file_that_changed_on_the_server_is_fetched_from_its_start(
    server: Server, tmp_path: Path, sha256: str | None
) -> None:
    path = tmp_path / "file.bin"
    part_of(path, server.url, b"old" * 1000, '"v0"')
    assert download(server.url, path, sha256=sha256).read_bytes() == DATA
    assert server.requests[0]["If-Range"] == '"v0"'
    only_file(tmp_path)


def test_without_hash_and_validator_nothing_is_trusted(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    server.etag = ""
    part_of(path, "http://elsewhere/file.bin", b"old" * 1000, "")
    assert download(server.url, path).read_bytes() == DATA
    path.unlink()
    part_of(path, server.url, b"old" * 1000, "")
    assert download(server.url, path).read_bytes() == DATA


def test_a_complete_part_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    part_of(path, server.url, DATA, '"v1"')
    assert download(server.url, path, sha256=SHA).read_bytes() == DATA
    part_of(tmp_path / "long.bin", server.url, DATA + b"x", '"v1"')
    assert download(server.url, tmp_path / "long.bin", sha256=SHA).read_bytes() == DATA


def test_a_server_without_ranges_sends_all(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    path = tmp_path / "file.bin"
    part_of(path, server.url, DATA[:1000], '"v1"')
    assert download(server.url, path, sha256=SHA).read_bytes() == DATA


def test_another_file_is_refused_and_not_kept(server: Server, tmp_path: Path) -> None:
    server.data = DATA[:-1] + b"!"
    path = tmp_path / "file.bin"
    for _ in range(2):
        with pytest.raises(UserError, match=r"gave another file than expected \(SHA-256 .*; place it by hand"):
            download(server.url, path, sha256=SHA, way_out="place it by hand")
    assert not path.exists()
    assert len(server.requests) == 2
    assert "Range" not in server.requests[1]
    server.data = DATA
    assert download(server.url, path, sha256=SHA).read_bytes() == DATA


def test_another_length_is_noticed_before_the_download(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"the server has {len(DATA)} bytes there, not 7"):
        download(server.url, tmp_path / "file.bin", size=7)
    server.states_length = False
    with pytest.raises(UserError, match=f"the server has {len(DATA)} bytes there, not {len(DATA) + 1}"):
        download(server.url, tmp_path / "file.bin", size=len(DATA) + 1)


def test_errors_that_pass_are_tried_again(server: Server, tmp_path: Path) -> None:
    server.statuses = [503, 429]
    assert download(server.url, tmp_path / "file.bin", sha256=SHA).read_bytes() == DATA


def test_errors_that_last_are_said_at_once(server: Server, tmp_path: Path) -> None:
    server.statuses = [404]
    with pytest.raises(
        UserError, match=r"file.bin: the server answers 404 Not Found; .* goes on where it stopped"
    ) as error:
        download(server.url, tmp_path / "file.bin")
    assert len(server.requests) == 1
    assert "\n" not in str(error.value)


def test_no_connection(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"http://127.0.0.1:1/x: Connection refused; place it at"):
        download("http://127.0.0.1:1/x", tmp_path / "x", way_out="place it at X")
    server.cut, server.cuts = 0, 99
    with pytest.raises(UserError, match="the connection ended after 0 of"):
        download(server.url, tmp_path / "file.bin")
    assert len(server.requests) == module.FAILURES


def test_only_addresses_of_the_web(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a download address"):
        download((tmp_path / "a").as_uri(), tmp_path / "b")


def test_a_folder_that_cannot_be_made(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"Not a directory|File exists"):
        download(server.url, tmp_path / "file" / "x")


def test_a_disk_that_is_too_small(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(UserError, match="1048576 bytes are still to come, 1000 are free; make room"):
        download(server.url, tmp_path / "file.bin")


def test_several_at_once_fetch_it_once(server: Server, tmp_path: Path) -> None:
    errors = []

    def fetch() -> None:
        try:
            download(server.url, tmp_path / "file.bin", sha256=SHA)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(server.requests) == 1
    assert (tmp_path / "file.bin").read_bytes() == DATA
    only_file(tmp_path)
