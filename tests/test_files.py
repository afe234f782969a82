"""Files appear whole or not at all."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from threading import Thread
from time import sleep

import pytest

from superfine.errors import UserError
from superfine.files import alone, folder_name, part_name, resolved, scratch, whole_file


def test_the_file_is_there_after_the_block_and_the_old_one_until_then(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with whole_file(target) as part:
        part.write_text("new")
        assert target.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]
    assert target.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_nothing_and_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(error), whole_file(target) as part:
        part.write_text("half")
        raise error
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]
    assert target.read_text() == "old"


@pytest.mark.parametrize("links", [True, False])
def test_what_came_meanwhile_is_kept_where_nothing_is_to_be_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def refuse(*names: object) -> None:
        raise PermissionError(errno.EPERM, "no links on this disk")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    target = tmp_path / "a.txt"
    with whole_file(target, replace=False) as part:
        part.write_text("first")
    assert target.read_text() == "first"
    with pytest.raises(FileExistsError) as raised, whole_file(target, replace=False) as part:
        part.write_text("second")
    assert raised.value.filename == str(target)
    assert target.read_text() == "first"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_names_are_compared_as_the_disk_does(tmp_path: Path) -> None:
    (tmp_path / "apart").mkdir()
    (tmp_path / "apart" / "a").touch()
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a").touch()
    if not (tmp_path / "one" / "A").exists():
        os.link(tmp_path / "one" / "a", tmp_path / "one" / "A")  # as a disk without case would show it
        assert resolved(tmp_path / "apart" / "B") != resolved(tmp_path / "apart" / "b")
    assert resolved(tmp_path / "one" / "B") == resolved(tmp_path / "one" / "b")
    assert resolved(tmp_path / "one" / "B") != resolved(tmp_path / "one" / "c")


def test_no_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    with scratch() as folder:
        (folder / "a").touch()
    assert not folder.exists()

    def nowhere() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr("tempfile.gettempdir", nowhere)
    with (
        pytest.raises(
            UserError, match=r"no temporary folder can be made: No usable .*; free some space, or set TMPDIR"
        ),
        scratch(),
    ):
        pass


def test_a_block_that_writes_nothing_fails(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "a.txt"):
        pass


@pytest.mark.parametrize("flush", [True, False])
def test_it_is_flushed_to_the_disk_where_it_must_not_be_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flush: bool
) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", flushed.append)
    with whole_file(tmp_path / "a", flush=flush) as part:
        part.write_text("new")
    assert (tmp_path / "a").read_text() == "new"
    assert len(flushed) == flush


@pytest.mark.parametrize("letter", ["a", "猫", "\udce9"])
def test_the_longest_name(tmp_path: Path, letter: str) -> None:
    longest = os.pathconf(tmp_path, "PC_NAME_MAX")
    target = tmp_path / (letter * (longest // len(os.fsencode(letter))))
    with whole_file(target) as part:
        part.write_text("new")
    assert [file.name for file in tmp_path.iterdir()] == [target.name]


def test_a_name_too_long_fails_before_the_block(tmp_path: Path) -> None:
    target = tmp_path / ("a" * (os.pathconf(tmp_path, "PC_NAME_MAX") + 1))
    with pytest.raises(OSError, match="too long"), whole_file(target):
        pytest.fail("the block was entered")


def test_long_names_with_one_beginning_do_not_meet(tmp_path: Path) -> None:
    with whole_file(tmp_path / ("a" * 100)) as one, whole_file(tmp_path / ("a" * 101)) as other:
        one.write_text("1")
        other.write_text("2")
    assert [(tmp_path / ("a" * length)).read_text() for length in (100, 101)] == ["1", "2"]


def write(target: Path) -> None:
    with whole_file(target) as part:
        part.write_text("new")


HANGS = """
import sys, time
from pathlib import Path
from superfine.files import whole_file
with whole_file(Path(sys.argv[1])) as part:
    part.write_text("half")
    print("written", flush=True)
    time.sleep(60)
"""


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HANGS, tmp_path / "a.txt"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        process.kill()
    (left,) = tmp_path.iterdir()
    assert left.name == part_name("a.txt", process.pid, 0)
    write(tmp_path / "a.txt")
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_what_a_living_process_writes_stays(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HANGS, tmp_path / "a.txt"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        write(tmp_path / "a.txt")
        assert (tmp_path / part_name("a.txt", process.pid, 0)).read_text() == "half"
        process.kill()


def dead() -> int:
    """The id of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_only_what_is_ours_is_removed(tmp_path: Path) -> None:
    ours = part_name("a.txt", dead(), 3)
    elsewhere = ours.replace(ours.split(".")[3].split("-")[0], "0123abcd")
    others = [
        elsewhere,
        ours.removeprefix("."),
        ours.removesuffix(".part"),
        f".a.txt.{dead()}.3.part",
        ".download.part",
    ]
    link, folder = part_name("link", dead(), 0), part_name("folder", dead(), 0)
    for name in (ours, *others):
        (tmp_path / name).touch()
    (tmp_path / link).symlink_to(tmp_path / elsewhere)
    (tmp_path / folder).mkdir()
    write(tmp_path / "b.txt")
    assert {file.name for file in tmp_path.iterdir()} == {"b.txt", link, folder, *others}


def test_a_process_may_have_the_id_of_the_one_that_was_killed(tmp_path: Path) -> None:
    """As those in containers do."""
    left = tmp_path / part_name("a.txt", os.getpid(), 10**6)
    left.touch()
    write(tmp_path / "a.txt")
    assert not left.exists()


def test_what_this_process_writes_at_the_same_time_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with whole_file(tmp_path / "a.txt") as part:
        part.write_text("whole")
        monkeypatch.setattr("superfine.files._swept", set())
        write(tmp_path / "b.txt")
    assert (tmp_path / "a.txt").read_text() == "whole"


def test_what_this_process_writes_stays_whatever_its_folder_is_called(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    with whole_file(tmp_path / "folder" / "a.txt") as part:
        part.write_text("whole")
        write(tmp_path / "link" / "b.txt")
    assert (tmp_path / "folder" / "a.txt").read_text() == "whole"


def test_names_that_every_system_can_hold() -> None:
    assert [folder_name(name) for name in ("a/b\\c", '*?"<>|\n', "..", "")] == ["a_b_c", "_" * 7, "_", "_"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no locks of folders")
def test_a_folder_that_is_replaced_while_one_waits(tmp_path: Path) -> None:
    """Who waited for the lock has that of the folder that lies there now."""
    folder, inode = tmp_path / "a", []
    folder.mkdir()

    def wait() -> None:
        with alone(folder, wait=True) as ours:
            assert ours
            inode.append(folder.stat().st_ino)
            with alone(folder) as again:
                inode.append(again)

    with alone(folder):
        with alone(folder) as second:
            assert not second
        thread = Thread(target=wait)
        thread.start()
        sleep(0.05)
        folder.rename(tmp_path / "old")
        folder.mkdir()
    thread.join()
    assert inode == [folder.stat().st_ino, False]
