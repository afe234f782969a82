"""Which files are found, and where results go."""

import os
from pathlib import Path
from typing import Any

import pytest

from superfine.engine.jobs import Job, plan_jobs
from superfine.errors import UserError


def tree(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def targets(jobs: list[Job], root: Path) -> list[tuple[str, str]]:
    return [(job.source.relative_to(root).as_posix(), job.target.relative_to(root).as_posix()) for job in jobs]


def test_beside_the_input(tmp_path: Path) -> None:
    tree(tmp_path, "photo.JPG", "anim.gif")
    jobs = plan_jobs([tmp_path / "photo.JPG", tmp_path / "anim.gif"], None, label="4x")
    assert targets(jobs, tmp_path) == [("photo.JPG", "photo@4x.JPG"), ("anim.gif", "anim@4x.png")]
    assert all(job.named for job in jobs)


def test_folders_are_mirrored_and_other_files_ignored(tmp_path: Path) -> None:
    tree(tmp_path, "in/b.png", "in/sub/é.webp", "in/sub/notes.txt", "in/.hidden/c.png", "in/._b.png", "in/empty/x.pdf")
    jobs = plan_jobs([tmp_path / "in"], tmp_path / "out", label="4x")
    assert targets(jobs, tmp_path) == [("in/b.png", "out/b.png"), ("in/sub/é.webp", "out/sub/é.webp")]
    assert not any(job.named for job in jobs)


def test_own_results_are_passed_over(tmp_path: Path) -> None:
    tree(
        tmp_path,
        "a.png",
        "a@4x.png",
        "b.jpg",
        "b@4x.webp",
        "retina@4x.png",
        "c@2x.png",
        "c@1920w.png",
        "c.png",
        "icon@4x.png",
        "icon.json",
    )
    said: list[str] = []
    left = ["a.png", "b.jpg", "c.png", "icon@4x.png", "retina@4x.png"]
    told = f"{tmp_path}: what seem to be earlier results (%s, are passed over; name them to have them enlarged too"
    # Beside the pictures, those of this command are told as results that exist.
    for output, label, earlier in (
        (None, "4x", "2), such as c@1920w.png"),
        (None, "2x", "3), such as a@4x.png"),
        (tmp_path / "out", "4x", "4), such as a@4x.png"),
    ):
        assert [job.source.name for job in plan_jobs([tmp_path], output, label=label, say=said.append)] == left
        assert said == [told % earlier]
        said.clear()


def test_named_files_given_again_beside_their_results(tmp_path: Path) -> None:
    """As a shell gives them for ``*.jpg``."""
    tree(tmp_path, "a.jpg", "a@4x.jpg", "b.jpg", "b@4x.jpg", "only@4x.jpg", "c@2x.jpg", "c.jpg")
    given = sorted(tmp_path.iterdir())
    said: list[str] = []
    jobs = plan_jobs(given, None, label="4x", say=said.append)
    assert [job.source.name for job in jobs] == ["a.jpg", "b.jpg", "c.jpg", "only@4x.jpg"]
    assert not any(job.problem for job in jobs)
    assert said == [f"what seem to be earlier results (3), such as {tmp_path / 'a@4x.jpg'}, are left out"]
    assert len(plan_jobs(given, tmp_path / "out", label="4x")) == len(given)
    assert len(plan_jobs([tmp_path / "a@4x.jpg"], None, label="4x")) == 1


def test_results_inside_the_searched_folder_are_passed_over(tmp_path: Path) -> None:
    tree(tmp_path, "a.png", "large/a.png", "large/deep/b.png", "c/large/d.png")
    jobs = plan_jobs([tmp_path], tmp_path / "large", label="4x")
    assert targets(jobs, tmp_path) == [("a.png", "large/a.png"), ("c/large/d.png", "large/c/large/d.png")]


def test_a_file_as_output(tmp_path: Path) -> None:
    tree(tmp_path, "a.png")
    jobs = plan_jobs([tmp_path / "a.png"], tmp_path / "new" / "big.webp", label="4x")
    assert targets(jobs, tmp_path) == [("a.png", "new/big.webp")]


def test_a_folder_named_like_a_file_is_a_folder(tmp_path: Path) -> None:
    tree(tmp_path, "a.png")
    (tmp_path / "out.png").mkdir()
    jobs = plan_jobs([tmp_path / "a.png"], tmp_path / "out.png", label="4x")
    assert targets(jobs, tmp_path) == [("a.png", "out.png/a.png")]


def test_a_slash_at_the_end_makes_it_a_folder(tmp_path: Path) -> None:
    tree(tmp_path, "a.png")
    for name in ("album.v2", "large.png"):
        jobs = plan_jobs([tmp_path / "a.png"], f"{tmp_path / name}/", label="4x")
        assert targets(jobs, tmp_path) == [("a.png", f"{name}/a.png")]


def test_format(tmp_path: Path) -> None:
    tree(tmp_path, "a.png", "b.JPEG")
    jobs = plan_jobs([tmp_path / "a.png", tmp_path / "b.JPEG"], None, label="2x", format="jpg")
    assert targets(jobs, tmp_path) == [("a.png", "a@2x.jpg"), ("b.JPEG", "b@2x.JPEG")]
    with pytest.raises(UserError, match=r"format bmp: unknown; choose one of png, jpeg"):
        plan_jobs([tmp_path / "a.png"], None, label="2x", format="bmp")
    with pytest.raises(UserError, match=r"big\.png: is not named as --format webp asks"):
        plan_jobs([tmp_path / "a.png"], tmp_path / "big.png", label="2x", format="webp")


def test_the_same_file_twice_is_done_once(tmp_path: Path) -> None:
    tree(tmp_path, "a.png")
    jobs = plan_jobs([tmp_path / "a.png", tmp_path, tmp_path / "x" / ".." / "a.png"], None, label="4x")
    assert targets(jobs, tmp_path) == [("a.png", "a@4x.png")]
    assert jobs[0].named


@pytest.mark.parametrize("names", [("a.png", "a.jpg"), ("x/a.png", "y/a.png")])
def test_two_inputs_with_one_result(tmp_path: Path, names: tuple[str, str]) -> None:
    tree(tmp_path, *names)
    given = [tmp_path / name for name in (*names, "b.png")]
    first, second, other = plan_jobs(given, tmp_path / "out", label="4x", format="webp")
    assert (first.problem, other.problem) == ("", "")
    assert second.problem == (
        f"{second.target}: would be the result of both {first.source} and {second.source}; enlarge the second by itself, "
        "with its own -o"
    )


def test_a_result_never_replaces_an_input(tmp_path: Path) -> None:
    tree(tmp_path, "a.png", "b.png")
    with pytest.raises(UserError, match=r"would replace the input .*; give another -o"):
        plan_jobs([tmp_path / "a.png"], tmp_path, label="4x")
    with pytest.raises(UserError, match="would replace the input"):
        plan_jobs([tmp_path], tmp_path, label="4x")


def test_where_case_tells_names_apart(tmp_path: Path) -> None:
    tree(tmp_path, "a.png", "x/b.png", "x/B.png", "x/OUT/c.png")
    if (tmp_path / "A.png").exists():
        pytest.skip("this disk takes a and A for one name")
    assert targets(plan_jobs([tmp_path / "a.png"], tmp_path / "A.png", label="4x"), tmp_path) == [("a.png", "A.png")]
    jobs = plan_jobs([tmp_path / "x"], tmp_path / "x" / "out", label="4x")
    assert [job.source.name for job in jobs] == ["B.png", "b.png", "c.png"]
    assert not any(job.problem for job in jobs)


def test_where_case_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("superfine.files._is_caseless", lambda folder: True)
    tree(tmp_path, "a.png", "x/b.png", "y/B.png", "y/OUT/c.png")
    with pytest.raises(UserError, match="would replace the input"):
        plan_jobs([tmp_path / "a.png"], tmp_path / "A.png", label="4x")
    first, second = plan_jobs([tmp_path / "x" / "b.png", tmp_path / "y" / "B.png"], tmp_path / "new", label="4x")
    assert (first.problem == "", second.problem == "") == (True, False)
    assert [job.source.name for job in plan_jobs([tmp_path / "y"], tmp_path / "y" / "out", label="4x")] == ["B.png"]


def test_links_have_results_of_their_own(tmp_path: Path) -> None:
    tree(tmp_path, "in/z.png", "elsewhere/b.png")
    (tmp_path / "in" / "a.png").symlink_to("z.png")
    (tmp_path / "in" / "folder").symlink_to(tmp_path / "elsewhere")
    said: list[str] = []
    jobs = plan_jobs([tmp_path / "in"], tmp_path / "out", label="4x", say=said.append)
    assert targets(jobs, tmp_path) == [("in/a.png", "out/a.png"), ("in/z.png", "out/z.png")]
    assert said == [f"{tmp_path / 'in'}: folders that are links (1) are not searched; give what they lead to"]


def test_pictures_that_are_not_read_are_said(tmp_path: Path) -> None:
    tree(tmp_path, "a.png", "b.HEIC", "sub/c.dng", "sub/notes.txt", ".d.bmp")
    said: list[str] = []
    assert len(plan_jobs([tmp_path], None, label="4x", say=said.append)) == 1
    assert said == [f"{tmp_path}: pictures of kinds that superfine does not read are passed over: .dng, .heic"]


def test_a_loop_of_links_is_left_to_the_reader(tmp_path: Path) -> None:
    tree(tmp_path, "in/a.png")
    (tmp_path / "in" / "loop.png").symlink_to("loop.png")
    jobs = plan_jobs([tmp_path / "in"], tmp_path / "out", label="4x")
    assert [job.source.name for job in jobs] == ["a.png", "loop.png"]


def test_a_name_that_is_too_long_is_left_to_the_reader(tmp_path: Path) -> None:
    jobs = plan_jobs([tmp_path / ("a" * 300 + ".png")], tmp_path / ("b" * 300 + ".png"), label="4x")
    assert [job.target.name for job in jobs] == ["b" * 300 + ".png"]


def test_a_locked_folder_is_a_job_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, "in/a.png", "in/locked/b.png")
    scan = os.scandir

    def scandir(path: str) -> Any:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)  # root may look into any folder
    assert [job.source.name for job in plan_jobs([tmp_path / "in"], None, label="4x")] == ["a.png", "locked"]
    with pytest.raises(UserError, match="locked: cannot be searched: Permission denied; "):
        plan_jobs([tmp_path / "in" / "locked"], None, label="4x")


def test_one_file_for_several_inputs(tmp_path: Path) -> None:
    tree(tmp_path, "a.png", "b.png")
    for inputs in ([tmp_path], [tmp_path / "a.png", tmp_path / "b.png"]):
        with pytest.raises(UserError, match=r"out\.png: is one file, for several inputs; give a folder"):
            plan_jobs(inputs, tmp_path / "out.png", label="4x")


def test_folder_without_pictures(tmp_path: Path) -> None:
    tree(tmp_path, "notes.txt")
    with pytest.raises(UserError, match=r"holds no pictures; give a folder with \.png, .*\.gif files"):
        plan_jobs([tmp_path], None, label="4x")
