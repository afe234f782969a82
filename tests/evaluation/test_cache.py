"""The cache: what is kept is found again, whole, and anything else is unknown."""

import math
import shutil
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from superfine.evaluation.cache import Cache, Entry, cache_folder, code_version, key, library_versions


def test_an_entry_is_found_by_its_key(tmp_path: Path) -> None:
    entry = Entry({"psnr_y": math.inf, "ssim_y": 0.8}, png="abc", note="a note", seconds=1.5)
    cache = Cache(tmp_path)
    cache.write(key(a=1), entry)
    assert Cache(tmp_path).read(key(a=1)) == entry
    assert cache.read(key(a=2)) is None


def test_a_key_depends_on_every_part() -> None:
    assert key(a=1, b="x") == key(b="x", a=1)
    assert len({key(a=1), key(a=2), key(b=1), key(a=1, b=1), key(a="1")}) == 5


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"values": {"a": "x"}, "png": "", "note": "", "seconds": null}',
        '{"values": {"a": NaN}, "png": "", "note": "", "seconds": null}',
        *(
            f'{{"values": {{}}, "png": "", "note": "", "seconds": {number}}}'
            for number in ("NaN", "Infinity", "-1", "0")
        ),
    ],
)
def test_a_damaged_entry_is_unknown(text: str, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.write(key(a=1), Entry({"psnr_y": 30.0}))
    (file,) = tmp_path.rglob("*.json")
    file.write_text(text)
    assert cache.read(key(a=1)) is None


def test_nothing_but_whole_entries_is_left(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with pytest.raises(ValueError, match="JSON"):
        cache.write(key(a=1), Entry(seconds=math.nan))
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_a_folder_that_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said: list[str] = []
    cache = Cache(tmp_path / "file", said.append)
    for number in range(2):
        cache.write(key(a=number), Entry())
    assert len(said) == 1
    assert "is not kept for the next time" in said[0]


def test_the_folder_is_that_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "superfine" / "evaluation"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "superfine" / "evaluation"


def test_the_libraries_are_those_that_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"openvino": "2026.1", "torch": "2.13"}

    def version(library: str) -> str:
        if library not in installed:
            raise PackageNotFoundError
        return installed[library]

    monkeypatch.setattr("superfine.evaluation.cache.version", version)
    try:
        for expected in ("openvino 2026.1, torch 2.13", "openvino 2026.1"):
            library_versions.cache_clear()
            assert library_versions() == expected
            installed.pop("torch", None)
    finally:
        library_versions.cache_clear()


@pytest.mark.parametrize("name", ["psnr.py", "pristine.safetensors"])
def test_the_version_is_that_of_the_code_that_measures(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from superfine import metrics

    copy = shutil.copytree(metrics.__path__[0], tmp_path / "metrics")
    monkeypatch.setattr(metrics, "__path__", [str(copy)])
    code_version.cache_clear()
    before = code_version()
    (copy / name).write_text("another")
    code_version.cache_clear()
    try:
        assert code_version() != before
    finally:
        code_version.cache_clear()


def test_the_version_is_that_of_what_makes_pairs_and_results(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    read_bytes = Path.read_bytes

    def noted(self: Path) -> bytes:
        seen.append(self.name)
        return read_bytes(self)

    monkeypatch.setattr(Path, "read_bytes", noted)
    code_version.cache_clear()
    code_version()
    assert {"sets.py", "methods.py", "ruler.py", "psnr.py", "pristine.safetensors"} <= set(seen)
