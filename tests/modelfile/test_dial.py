"""The dial: what people may type, and which variants it means."""

import pytest

from superfine.errors import UserError
from superfine.modelfile import parse_dial
from superfine.modelfile.dial import mixture, pairs, position

ALL = ("fidelity", "texture", "photo-fidelity", "photo-texture", "v-2")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", ("fidelity", "fidelity", 0.0)),
        ("0.25", ("fidelity", "texture", 0.25)),
        ("1", ("texture", "texture", 0.0)),
        ("texture", ("texture", "texture", 0.0)),
        ("photo-0", ("photo-fidelity", "photo-fidelity", 0.0)),
        ("photo-0.4", ("photo-fidelity", "photo-texture", 0.4)),
        ("photo-1", ("photo-texture", "photo-texture", 0.0)),
        ("photo-texture", ("photo-texture", "photo-texture", 0.0)),
        ("v-2", ("v-2", "v-2", 0.0)),
    ],
)
def test_what_it_means(text: str, expected: tuple[str, str, float]) -> None:
    assert mixture(parse_dial(text), ALL, "model") == expected
    assert mixture(text, ALL, "model") == expected


@pytest.mark.parametrize(
    "text", ["oil", "oil-0.5", "photo", "photo-", "photo-x", "photo--1", "-0.5-1", "", "photo-1e0"]
)
def test_what_it_does_not_know(text: str) -> None:
    with pytest.raises(UserError, match=r"^dial .*: model has only fidelity, texture, .*; choose one of these"):
        mixture(text, ALL, "model")


def test_the_positions_are_told_too() -> None:
    with pytest.raises(UserError, match=r"; choose one of these, or from 0 to 1, or from photo-0 to photo-1$"):
        mixture("photo", ALL, "model")
    with pytest.raises(UserError, match=r"; choose one of these$"):
        mixture("photo", ["fidelity"], "model")


@pytest.mark.parametrize("dial", ["photo-1.5", 2.0, -0.1, float("nan")])
def test_what_lies_outside(dial: float | str) -> None:
    with pytest.raises(UserError, match=r"outside 0 to 1; give a number between"):
        mixture(dial, ALL, "model")


def test_nothing_to_turn_to() -> None:
    assert mixture("photo-0", ["photo-fidelity"], "m") == ("photo-fidelity", "photo-fidelity", 0.0)
    with pytest.raises(UserError, match=r"nothing to turn to; leave it at photo-0"):
        mixture("photo-0.5", ["photo-fidelity"], "m")
    with pytest.raises(UserError, match=r"nothing to turn to; leave it at 0"):
        mixture(0.5, ["texture"], "m")


def test_without_fidelity_the_first_one_is_the_other_end() -> None:
    assert mixture(0.5, ["plain", "texture"], "m") == ("plain", "texture", 0.5)


def test_pairs() -> None:
    assert pairs(ALL) == ["", "photo-"]
    assert pairs(["fidelity"]) == pairs(["texture"]) == pairs(["photo-texture", "fidelity"]) == []
    assert pairs(["plain", "texture"]) == [""]
    assert pairs(["photo_fidelity", "photo_texture", "myfidelity", "mytexture"]) == []


def test_position() -> None:
    assert position(0.5) == ("", 0.5)
    assert position("photo-0.5") == ("photo-", 0.5)
    assert position("texture") is position("C:\\pictures-1") is None
