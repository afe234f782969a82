"""The bundled models."""

from pathlib import Path

import pytest

from superfine import zoo
from superfine.errors import UserError
from superfine.modelfile import open_model

FOLDER = Path(zoo.__file__).parent


def test_every_bundled_model_is_whole() -> None:
    for name, path in zoo.catalogue().items():
        assert open_model(path).card.name == name


def test_no_folder_is_left_out_of_the_catalogue() -> None:
    assert {card.parent.name for card in FOLDER.glob("*/model.json")} <= set(zoo.catalogue())


def test_the_default_is_the_first() -> None:
    assert next(iter(zoo.catalogue())) == zoo.DEFAULT


def test_the_zoo_stays_small() -> None:
    assert sum(file.stat().st_size for file in FOLDER.rglob("*") if file.is_file()) < 30_000_000


def test_a_name_with_a_dial_is_told_from_a_name() -> None:
    with pytest.raises(
        UserError, match=r"compact-x4:texture: is no model's name, but compact-x4 is; give that, and 'texture'"
    ):
        zoo.find("compact-x4:texture")


def test_a_name_or_a_folder(tmp_path: Path) -> None:
    assert zoo.find(zoo.DEFAULT) == FOLDER / zoo.DEFAULT
    assert zoo.find(tmp_path) == tmp_path
    assert zoo.find(str(tmp_path)) == tmp_path
    with pytest.raises(UserError, match=rf"oil-x9: no bundled model \({zoo.DEFAULT}"):
        zoo.find("oil-x9")


def test_a_path_that_cannot_be_looked_at_is_no_model() -> None:
    with pytest.raises(UserError, match=r"^n+: no bundled model"):
        zoo.find_with_dial("n" * 300 + ":0.5")
