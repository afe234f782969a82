"""Packing: content, order, incremental and interrupted runs, bad files."""

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from superfine.data import Entry, Pack, building, pack, packing
from superfine.data.duplicates import signs
from superfine.errors import UserError
from superfine.images import Picture, imresize, read


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are decoded from now on."""
    names: list[str] = []

    def noting(path: Path) -> Picture:
        names.append(Path(path).name)
        return read(path)

    monkeypatch.setattr(packing, "read", noting)
    return names


def test_holds_the_cropped_pictures_and_their_bicubic_twins(photos: Path, tmp_path: Path) -> None:
    made = pack(photos, tmp_path / "out")
    assert [entry.file for entry in made.entries] == ["0.png", "1.png", "2.png", "3.png", "more/4.png"]
    for i, entry in enumerate(made.entries):
        levels = np.rint(read(photos / entry.file).pixels * 255).astype(np.uint8)
        hr = levels[: levels.shape[0] // 4 * 4, : levels.shape[1] // 4 * 4]
        np.testing.assert_array_equal(made.hr(i), hr)
        np.testing.assert_array_equal(made.lr(i), imresize(hr, scale=0.25))
    assert made.megapixels == pytest.approx(sum(e.height * e.width for e in made.entries) / 1e6)


def test_is_the_same_for_any_number_of_workers_and_any_file_names(photos: Path, tmp_path: Path) -> None:
    one, many = pack(photos, tmp_path / "one", workers=1), pack(photos, tmp_path / "many", workers=4)
    assert content(one.path) == content(many.path)
    shutil.copytree(photos, tmp_path / "copy")
    (tmp_path / "copy" / "0.png").rename(tmp_path / "copy" / "00 renamed ü.png")
    assert pack(tmp_path / "copy", tmp_path / "renamed").sha256 == one.sha256


def test_a_second_run_decodes_only_what_is_new_or_changed(
    photos: Path, tmp_path: Path, decoded: list[str], write_noise: Callable[..., None]
) -> None:
    out = tmp_path / "out"
    pack(photos, out)
    decoded.clear()
    pack(photos, out)
    assert decoded == []
    write_noise(photos / "2.png", 36, 36, 99)
    write_noise(photos / "1b.png", 36, 40, 98)
    (photos / "3.png").unlink()
    again = pack(photos, out)
    assert sorted(decoded) == ["1b.png", "2.png"]
    fresh = pack(photos, tmp_path / "fresh")
    assert again.sha256 == fresh.sha256
    assert content(out) == content(fresh.path), "nothing of the former pack is left behind"


def test_several_folders_make_one_pack(photos: Path, tmp_path: Path, write_noise: Callable[..., None]) -> None:
    other = tmp_path / "other"
    other.mkdir()
    write_noise(other / "0.png", 40, 48, seed=9)
    made = pack([photos, other], tmp_path / "out")
    assert [entry.file for entry in made.entries][-2:] == ["photos/more/4.png", "other/0.png"]
    np.testing.assert_array_equal(made.hr(5), np.rint(read(other / "0.png").pixels * 255).astype(np.uint8))
    twin = tmp_path / "elsewhere" / "other"
    twin.parent.mkdir()
    shutil.copytree(other, twin)
    with pytest.raises(UserError, match="have the same name; rename one"):
        pack([other, twin], tmp_path / "both")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty: holds no pictures"):
        pack([photos, tmp_path / "empty"], tmp_path / "both")


def test_a_pack_of_an_earlier_version_is_looked_through_for_near_duplicates(
    photos: Path, tmp_path: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that has been left half made."""
    out, half = tmp_path / "out", tmp_path / "half"

    def interrupt(done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as earlier:
        earlier.setattr(building, "version", lambda: "that knew less")
        cropped = pack(photos, out).hr(2)
        with pytest.raises(KeyboardInterrupt):
            pack(photos, half, workers=1, progress=interrupt)
    index = json.loads((out / "pack.json").read_text())
    del index["near_duplicates_left_out"]
    (out / "pack.json").write_text(json.dumps(index))
    decoded.clear()
    forbidden = [signs(pixels).tobytes() for pixels in (cropped, read(photos / "2.png").pixels)]
    monkeypatch.setattr(packing, "near", lambda found: "x of Set" if found.tobytes() in forbidden else None)
    for folder in (out, half):
        made = pack(photos, folder)
        assert [entry.file for entry in made.entries] == ["0.png", "1.png", "3.png", "more/4.png"]
        assert [(skip.file, skip.reason[:18]) for skip in made.skipped] == [("2.png", "is nearly x of Set")]
        assert made.is_checked
        if folder == out:
            assert decoded == [], "copied pictures are not decoded for it"


@pytest.mark.parametrize("stop_after", [0, 1, 3])
def test_an_interrupted_run_is_continued(
    photos: Path, tmp_path: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    out = tmp_path / "out"
    (photos / "1.png").write_bytes(b"broken")

    def interrupt(done: int, total: int) -> None:
        if done > stop_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(photos, out, workers=1, progress=interrupt)
    with pytest.raises(UserError, match="is only begun; give the command that makes it again"):
        Pack(out)
    with (out / "building.hr.u8").open("ab") as file:
        file.write(b"pixels whose line in the journal was never written")
    decoded.clear()
    made = pack(photos, out)
    # What could not be used is looked at again.
    assert len(decoded) == 5 - (stop_after + 1) + (stop_after >= 1)
    assert content(out) == content(pack(photos, tmp_path / "fresh").path)
    assert len(made) == 4


@pytest.mark.parametrize("harm", ["shorter", "zeros", "twin"])
def test_pixels_that_a_crash_of_the_machine_has_lost_are_made_again(
    photos: Path, tmp_path: Path, decoded: list[str], harm: str
) -> None:
    out = tmp_path / "out"
    half_packed(photos, out, 3)
    file = out / ("building.lr.u8" if harm == "twin" else "building.hr.u8")
    pixels = bytearray(file.read_bytes())
    cut = Entry(**json.loads((out / "building.jsonl").read_text().splitlines()[1])["entry"]).hr_bytes() // 2
    first = cut // 16 if harm == "twin" else cut
    file.write_bytes(pixels[: len(pixels) - cut] if harm == "shorter" else pixels[:first] + bytes(len(pixels) - first))
    decoded.clear()
    made = pack(photos, out)
    assert len(decoded) == {"shorter": 3, "zeros": 5, "twin": 5}[harm]
    assert content(out) == content(pack(photos, tmp_path / "fresh").path)
    for i, entry in enumerate(made.entries):
        assert hashlib.sha256(made.hr(i)).hexdigest() == entry.sha256


def test_a_journal_that_is_no_text_is_followed_as_far_as_it_is(
    photos: Path, tmp_path: Path, decoded: list[str]
) -> None:
    out = tmp_path / "out"
    half_packed(photos, out, 3)
    with (out / "building.jsonl").open("ab") as journal:
        journal.write(b"\xff\xfe\n")
    decoded.clear()
    assert len(pack(photos, out)) == 5
    assert len(decoded) == 2


def test_a_file_that_was_repaired_meanwhile_is_packed(photos: Path, tmp_path: Path) -> None:
    good = (photos / "1.png").read_bytes()
    (photos / "1.png").write_bytes(good[:60])
    half_packed(photos, tmp_path / "out", 4)
    (photos / "1.png").write_bytes(good)
    made = pack(photos, tmp_path / "out")
    assert (len(made), made.skipped) == (5, [])


@pytest.mark.skipif(sys.platform == "win32", reason="folders cannot be locked there")
def test_one_folder_is_packed_into_by_one_process(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def another(done: int, total: int) -> None:
        if done == 2:
            code = (
                "import sys; from pathlib import Path; from superfine.data import pack; pack(*map(Path, sys.argv[1:]))"
            )
            command = [sys.executable, "-c", code, str(photos), str(out)]
            told.append(subprocess.run(command, capture_output=True, text=True, check=False).stderr)

    told: list[str] = []
    assert len(pack(photos, out, progress=another)) == 5
    assert f"{out}: another process packs there; wait for it, or name a new folder with -o" in told[0]
    assert content(out) == content(pack(photos, tmp_path / "fresh").path)


def half_packed(photos: Path, out: Path, count: int) -> None:
    """Stopped after ``count`` files."""

    def interrupt(done: int, total: int) -> None:
        if done == count:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(photos, out, workers=1, progress=interrupt)


def test_bad_files_are_listed_and_skipped(photos: Path, tmp_path: Path, write_noise: Callable[..., None]) -> None:
    (photos / "bad.jpg").write_bytes(b"")
    (photos / "text.png").write_text("not a picture")
    write_noise(photos / "tiny.png", 3, 50, 1)
    write_noise(photos / "window.png", 40, 40, 1, channels=4)
    (photos / "notes.txt").write_text("ignored")
    (photos / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    made = pack(photos, tmp_path / "out")
    assert len(made) == 5
    reasons = {skipped.file: skipped.reason for skipped in made.skipped}
    assert set(reasons) == {"bad.jpg", "phone.heic", "text.png", "tiny.png", "window.png"}
    assert "HEIC" in reasons["phone.heic"]
    assert "empty" in reasons["bad.jpg"]
    assert "smaller than 4×4" in reasons["tiny.png"]
    assert "transparent" in reasons["window.png"]
    (photos / "tiny.png").unlink()
    write_noise(photos / "tiny.png", 32, 32, 1)
    assert len(pack(photos, tmp_path / "out")) == 6, "skipped files are tried again"


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="needs file names of any bytes")
def test_names_that_are_not_text_and_links_to_nowhere(photos: Path, tmp_path: Path) -> None:
    (photos / "0.png").rename(photos / "caf\udce9.png")
    (photos / "nowhere.png").symlink_to("absent")
    made = pack(photos, tmp_path / "out")
    assert "caf\udce9.png" in [entry.file for entry in made.entries]
    assert [(entry.file, entry.reason) for entry in made.skipped] == [("nowhere.png", "does not exist; check the name")]


def test_a_link_to_a_folder_is_listed(photos: Path, tmp_path: Path, write_noise: Callable[..., None]) -> None:
    (tmp_path / "elsewhere").mkdir()
    write_noise(tmp_path / "elsewhere" / "linked.png", 32, 32, 1)
    (photos / "link").symlink_to(tmp_path / "elsewhere")
    made = pack(photos, tmp_path / "out")
    assert len(made) == 5
    assert [(entry.file, entry.reason.split(";")[0]) for entry in made.skipped] == [
        ("link", "is a link to a folder, and not searched")
    ]


def test_a_locked_folder_is_listed(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan, open_file = os.scandir, os.open

    def scandir(path: str) -> Any:
        if str(path).endswith("more"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    def opened(path: Path, *rest: Any) -> int:
        if str(path).endswith("more"):
            raise PermissionError(13, "Permission denied", str(path))
        return open_file(path, *rest)

    monkeypatch.setattr(os, "scandir", scandir)  # root may look into any folder
    monkeypatch.setattr(os, "open", opened)
    made = pack(photos, tmp_path / "out")
    assert len(made) == 4
    assert [(entry.file, entry.reason.split(";")[0]) for entry in made.skipped] == [
        ("more", "cannot be read: Permission denied")
    ]


def test_a_pack_with_bad_files_is_not_made_again_for_nothing(photos: Path, tmp_path: Path) -> None:
    (photos / "bad.jpg").write_bytes(b"")
    out = tmp_path / "out"
    pack(photos, out)
    before = (out / "pack.json").stat().st_ino
    assert len(pack(photos, out).skipped) == 1
    assert (out / "pack.json").stat().st_ino == before


def test_refuses_what_is_no_folder_of_pictures(tmp_path: Path, photos: Path) -> None:
    for numbers in ({"scale": 0}, {"scale": -1}, {"workers": 0}, {"workers": -2}):
        with pytest.raises(UserError, match=r"(scale|workers) -?\d: give \d or more"):
            pack(photos, tmp_path / "out", **numbers)
    with pytest.raises(UserError, match="missing: is not a folder"):
        pack(tmp_path / "missing", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no pictures"):
        pack(tmp_path / "empty", tmp_path / "out")
    with pytest.raises(UserError, match="other things"):
        pack(photos, photos)
    for file in photos.rglob("*.png"):
        file.write_bytes(b"x")
    with pytest.raises(UserError, match="none of the 5 pictures"):
        pack(photos, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_killed_before_its_first_file_was_whole_it_goes_on(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name in (*building.BUILDING, ".journal.jsonl.0-1.0.part"):
        (out / name).write_bytes(b"half")
    assert len(pack(photos, out)) == len(pack(photos, tmp_path / "other"))


def test_an_unwritable_place_is_one_line(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(UserError, match="cannot write the pack"):
            pack(photos, out)


def test_with_no_room_for_the_index_nothing_is_lost(
    photos: Path, tmp_path: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def full(path: Path, text: str, **options: Any) -> int:
        if path.name.startswith(".pack.json"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write_text(path, text, **options)

    write_text = Path.write_text
    with monkeypatch.context() as disk, pytest.raises(UserError, match="No space left on device"):
        disk.setattr(Path, "write_text", full)
        pack(photos, out)
    decoded.clear()
    assert len(pack(photos, out)) == 5
    assert decoded == []
