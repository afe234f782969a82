"""Each run is told once, and none is lost."""

from typing import Any

from superfine.modelfile import told_once, trainings


def run(name: str, start: Any = None, *, seed: int = 1) -> dict[str, Any]:
    told = {"name": name, "command": f"train {name}", "recipe": {"steps": 2}, "seed": seed, "data": {"name": "pack"}}
    return told | ({"start": {"sha256": f"of {name}'s start", "training": start}} if start else {})


FIRST = run("first")
SECOND = run("second", FIRST)
TEXTURE = run("texture", FIRST)
MIXED = {"interpolated": {"a": {"training": SECOND}, "b": {"training": TEXTURE}, "alpha": 0.5}}


def names(told: Any) -> list[str]:
    return [training["name"] for training in trainings(told)]


def test_what_two_ends_have_in_common_is_told_once() -> None:
    assert names(MIXED) == ["second", "first", "texture", "first"]
    once = told_once(MIXED)
    assert names(once) == ["second", "first", "texture"]
    assert once["interpolated"]["b"]["training"]["start"] == {
        "sha256": "of texture's start",
        "training": {"name": "first", "command": "train first", "told": "before"},
    }
    assert once["interpolated"]["alpha"] == 0.5
    assert names(MIXED) == ["second", "first", "texture", "first"], "the original stays as it is"


def test_it_stays_so_when_mixtures_are_mixed() -> None:
    third, more = run("third", SECOND), run("more", told_once(MIXED))
    again = told_once(
        {"carried": {"from": {"training": SECOND}, "to": {"training": third}, "what": {"training": more}}}
    )
    assert sorted(names(again)) == ["first", "more", "second", "texture", "third"]
    assert told_once(again) == again


def test_runs_that_differ_are_both_told() -> None:
    other_seed, other_start = run("first", seed=2), run("first", SECOND)
    both = {"a": FIRST, "b": other_seed, "c": other_start}
    assert told_once(both)["b"] == other_seed
    assert names(told_once(both)) == ["first", "first", "first", "second"]


def test_a_start_that_was_edited_by_hand_is_told_as_it_is() -> None:
    told = FIRST | {"start": "the weights of a friend"}
    assert told_once(told) == told
