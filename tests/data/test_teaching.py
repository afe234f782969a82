"""What a teacher makes of a pack: content, what it refuses, interruption."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from superfine.data import Pack, pack
from superfine.data.teaching import teach
from superfine.errors import UserError

TEACHER = {"name": "inverter", "sha256": "0" * 64}


def inverted(lr: NDArray[np.float32]) -> NDArray[np.float32]:
    """Beyond [0,1] for dark and bright pixels, as networks are."""
    return (np.float32(3.2) - np.float32(6) * lr).repeat(4, 0).repeat(4, 1)


@pytest.fixture
def photographs(photos: Path, tmp_path: Path) -> Pack:
    return pack(photos, tmp_path / "photos.pack")


def test_holds_what_the_teacher_makes_of_each_twin(photographs: Pack, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    made = teach(
        photographs,
        inverted,
        tmp_path / "taught",
        teacher=TEACHER,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert [(e.file, e.height, e.width) for e in made.entries] == [
        (e.file, e.height, e.width) for e in photographs.entries
    ]
    for i in range(len(made)):
        np.testing.assert_array_equal(made.lr(i), photographs.lr(i))
        levels = 816 - 6 * photographs.lr(i).astype(int)
        assert levels.min() < 0
        assert levels.max() > 255
        np.testing.assert_array_equal(made.hr(i), levels.clip(0, 255).repeat(4, 0).repeat(4, 1))
    assert made.sha256 != photographs.sha256
    assert made.teacher == TEACHER | {"only": "*", "of": photographs.sha256}
    assert photographs.teacher is None
    assert seen == [(n, 5) for n in range(1, 6)]


def test_only_some_are_enlarged(photographs: Pack, tmp_path: Path) -> None:
    made = teach(photographs, inverted, tmp_path / "taught", teacher=TEACHER, only="more/*")
    assert [entry.file for entry in made.entries][3:] == ["3.png", "more/4.png"]
    for i in range(4):
        np.testing.assert_array_equal(made.hr(i), photographs.hr(i))
    assert (made.hr(4) != photographs.hr(4)).mean() > 0.9
    with pytest.raises(UserError, match=r"--only less/\*: fits no picture of .*; the first is 0.png"):
        teach(photographs, inverted, tmp_path / "none", teacher=TEACHER, only="less/*")


def test_an_interrupted_teacher_goes_on(photographs: Pack, tmp_path: Path) -> None:
    whole = teach(photographs, inverted, tmp_path / "whole", teacher=TEACHER)
    calls: list[int] = []

    def tired(lr: NDArray[np.float32]) -> NDArray[np.float32]:
        if len(calls) == 3:
            raise KeyboardInterrupt
        calls.append(len(calls))
        return inverted(lr)

    out = tmp_path / "taught"
    with pytest.raises(KeyboardInterrupt):
        teach(photographs, tired, out, teacher=TEACHER)
    with pytest.raises(UserError, match="taught: is only begun; give the command that makes it again"):
        Pack(out)
    calls.clear()
    assert teach(photographs, tired, out, teacher=TEACHER).sha256 == whole.sha256
    assert len(calls) == 2, "three of the five were there"
    calls.clear()
    teach(photographs, tired, out, teacher=TEACHER)
    assert calls == [], "all were there"


def interrupted(pack: Pack, out: Path, **options: Any) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        teach(pack, inverted, out, progress=interrupt, **options)


def test_what_another_teacher_has_begun_is_not_thrown_away(photographs: Pack, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "taught"
    interrupted(photographs, out, teacher=TEACHER)
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    refusal = "taught: holds the beginning of another pack; delete it, or name a new folder with -o"
    for options in ({"teacher": TEACHER | {"self_ensemble": True}}, {"teacher": TEACHER, "only": "more/*"}):
        with pytest.raises(UserError, match=refusal):
            teach(photographs, inverted, out, **options)
    with pytest.raises(UserError, match=refusal):
        pack(photos, out)
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before
    (out / "building.jsonl").write_bytes(before["building.jsonl"].splitlines(keepends=True)[0])
    assert pack(photos, out).teacher is None, "where no picture was made, nothing is lost"
    with pytest.raises(KeyboardInterrupt):
        pack(photos, tmp_path / "half", progress=lambda done, total: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(UserError, match="half: holds the beginning of another pack"):
        teach(photographs, inverted, tmp_path / "half", teacher=TEACHER)


def test_a_pack_that_is_to_be_made_again_is_not_enlarged_first(
    photographs: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not by its name, which is that of a function too.
    monkeypatch.setattr(sys.modules[Pack.__module__], "version", lambda: "that knows more")
    with pytest.raises(UserError, match=r"was not searched for near-duplicates .* make it again"):
        teach(photographs, inverted, tmp_path / "taught", teacher=TEACHER)
    assert not (tmp_path / "taught").exists()


def test_results_of_another_size_are_one_line(photographs: Pack, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"inverter: makes \(\d+, \d+, 3\) of \(\d+, \d+, 3\); give one that enlarges ×4"
    ):
        teach(photographs, lambda lr: lr.repeat(2, 0).repeat(2, 1), tmp_path / "taught", teacher=TEACHER)


def test_results_may_lie_in_memory_in_any_order(photographs: Pack, tmp_path: Path) -> None:
    one = teach(photographs, inverted, tmp_path / "one", teacher=TEACHER)
    other = teach(photographs, lambda lr: np.asfortranarray(inverted(lr)), tmp_path / "other", teacher=TEACHER)
    assert other.sha256 == one.sha256


def test_what_another_teacher_has_made_is_not_thrown_away(photographs: Pack, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "taught"
    teach(photographs, inverted, out, teacher=TEACHER)
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    (photos / "0.png").unlink()
    fewer = pack(photos, tmp_path / "fewer.pack")
    for other, options in (
        (photographs, {"teacher": {"name": "nearest"}}),
        (photographs, {"teacher": TEACHER, "only": "more/*"}),
        (fewer, {"teacher": TEACHER}),
    ):
        with pytest.raises(UserError, match="taught: holds what another teacher made, or of other pictures; delete it"):
            teach(other, inverted, out, **options)
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before


def test_photographs_and_results_are_not_taken_for_each_other(photographs: Pack, photos: Path, tmp_path: Path) -> None:
    made = teach(photographs, inverted, tmp_path / "taught", teacher=TEACHER)
    with pytest.raises(UserError, match="holds what a teacher made; give the pack of the photographs"):
        teach(made, inverted, tmp_path / "again", teacher=TEACHER)
    with pytest.raises(UserError, match="holds photographs; name a new folder"):
        teach(photographs, inverted, photographs.path, teacher=TEACHER)
    with pytest.raises(UserError, match="holds what a teacher made; name a new folder"):
        pack(photos, made.path)
    assert Pack(made.path).sha256 == made.sha256
    assert Pack(photographs.path).teacher is None
