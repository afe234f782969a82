"""The contact sheet: what stands where, and that a panel is what enlarging the whole photograph gives."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from superfine import load, modelfile, networks
from superfine.checkpoints.graph import export_graph
from superfine.errors import UserError
from superfine.evaluation import compare as module
from superfine.evaluation.compare import GAP, compare, enlarged
from superfine.evaluation.figures.crops import Box
from superfine.images import Picture, imresize, read, write


def model(folder: Path, *variants: str, scale: int = 4) -> Path:
    """A compact network of random weights for each variant."""
    config = {"channels": 8, "convs": 2, "scale": scale}
    weights = {}
    for seed, variant in enumerate(variants):
        torch.manual_seed(seed)
        network = networks.build("compact", config).eval()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter += 0.05 * torch.randn(parameter.shape)
        weights[variant] = modelfile.half({name: value.numpy() for name, value in network.state_dict().items()})
    card = modelfile.Card(
        name=folder.name,
        architecture="compact",
        config=config,
        scale=scale,
        radius=network.radius,
        variants={name: modelfile.Variant(f"{name}.safetensors") for name in variants},
        licence="none",
    )
    first = weights[variants[0]]
    graph = export_graph(network, f"{variants[0]}.safetensors", modelfile.offsets(first))
    modelfile.write_model(folder, card, graph, weights)
    return folder


@pytest.fixture(scope="module")
def dialled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model(tmp_path_factory.mktemp("models") / "dialled", "fidelity", "texture")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model(tmp_path_factory.mktemp("models") / "plain", "fidelity")


@pytest.fixture
def photo(tmp_path: Path, write_noise: Callable[..., None]) -> Path:
    write_noise(tmp_path / "photo.png", 90, 120, 1)
    return tmp_path / "photo.png"


LABEL = 20


@pytest.fixture
def labels(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is written on a sheet, from the upper left to the lower right; each label is as tall as any other."""
    seen: list[str] = []

    def draw(text: str, width: int, *, font: str) -> np.ndarray:
        seen.append(text)
        return np.ones((LABEL, width, 3), np.float32)

    monkeypatch.setattr(module, "render_text", draw)
    return seen


BOX = Box(20, 24, 64, 48)


def panel(sheet: np.ndarray, row: int, column: int, width: int = 256, height: int = 192) -> np.ndarray:
    """The panel at a place of a sheet with ``labels``."""
    top = GAP + row * (LABEL + 4 + height + GAP) + LABEL + 4
    left = GAP + column * (width + GAP)
    shown = sheet[top : top + height, left : left + width]
    assert shown.shape == (height, width, 3)
    return shown


@pytest.mark.parametrize("box", [BOX, Box(0, 0, 17, 90), Box(103, 71, 17, 19), Box(0, 0, 120, 90)])
def test_a_crop_is_what_the_whole_photograph_gives(dialled: Path, photo: Path, box: Box) -> None:
    enlarger = load(dialled, device="cpu", dial=0.5)
    pixels = read(photo).pixels
    rows, columns = (slice(4 * part.start, 4 * part.stop) for part in box.slices)
    whole = enlarger.upscale(pixels)[rows, columns]
    np.testing.assert_allclose(enlarged(enlarger, pixels, box), whole, atol=2 / 255)  # half precision rounds
    assert np.abs(enlarged(enlarger, pixels, box) - whole).mean() < 0.2 / 255


def test_a_crop_beside_the_halo_is_all_that_is_computed(
    dialled: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enlarger = load(dialled, device="cpu")
    shapes = []
    upscale = enlarger.upscale
    monkeypatch.setattr(enlarger, "upscale", lambda pixels: (shapes.append(pixels.shape), upscale(pixels))[1])
    enlarged(enlarger, read(photo).pixels, Box(30, 40, 16, 20))
    assert shapes == [(20 + 2 * enlarger.card.radius, 16 + 2 * enlarger.card.radius, 3)]


def test_the_panels(dialled: Path, plain: Path, photo: Path, labels: list[str]) -> None:
    made = compare(photo, [str(plain), str(dialled)], dials=(0, 0.5, 1), crop=BOX, device="cpu")
    assert made.enlargements == 4
    assert labels == [
        "photo.png\n64×48 pixels at 20, 24",
        "input, its pixels repeated",
        "bicubic",
        f"plain ({plain})",
        *(f"dialled ({dialled})\ndial {dial}" for dial in ("0 (default)", "0.5", "1")),
    ]
    pixels = read(photo).pixels
    sheet = made.sheet.pixels
    assert sheet.shape[1] == GAP + 4 * (256 + GAP)
    rows, columns = (slice(4 * part.start, 4 * part.stop) for part in BOX.slices)
    np.testing.assert_array_equal(panel(sheet, 0, 1), pixels[BOX.slices].repeat(4, 0).repeat(4, 1))
    np.testing.assert_allclose(panel(sheet, 0, 2), imresize(pixels, scale=4.0).clip(0, 1)[rows, columns], atol=1e-5)
    for place, name, dial in (
        ((0, 3), plain, 0.0),
        ((1, 0), dialled, 0.0),
        ((1, 1), dialled, 0.5),
        ((1, 2), dialled, 1.0),
    ):
        whole = load(name, device="cpu", dial=dial).upscale(pixels)[rows, columns]
        assert np.abs(panel(sheet, *place) - whole).mean() < 0.2 / 255, place
    assert (panel(sheet, 1, 3) == 1).all()
    framed = panel(sheet, 0, 0)
    top, left = round(192 / 90 * 24), round(256 / 120 * 20)
    np.testing.assert_array_equal(framed[top - 2 : top, left : left + 60], 1.0)
    np.testing.assert_array_equal(framed[top - 3, left : left + 60], 0.0)
    np.testing.assert_array_equal(framed[top + 128 : top + 130 - 26, left : left + 60], 1.0)


def test_variants_without_a_dial_have_a_panel_each(tmp_path: Path, photo: Path, labels: list[str]) -> None:
    folder = model(tmp_path / "two", "clean", "noisy")
    compare(photo, [str(folder)], device="cpu")
    assert labels[3:] == [f"two ({folder})\nclean (default)", f"two ({folder})\nnoisy"]


def test_each_pair_of_variants_has_a_row(tmp_path: Path, photo: Path, labels: list[str]) -> None:
    folder = model(tmp_path / "four", "fidelity", "texture", "photo-fidelity", "photo-texture")
    made = compare(photo, [str(folder)], dials=(0, 0.5), crop=BOX, device="cpu")
    dials = ("0 (default)", "0.5", "photo-0", "photo-0.5")
    assert labels[3:] == [f"four ({folder})\ndial {dial}" for dial in dials]
    pixels = read(photo).pixels
    expected = enlarged(load(folder, device="cpu", dial="photo-0.5"), pixels, BOX)
    np.testing.assert_array_equal(panel(made.sheet.pixels, 2, 1), expected)


@pytest.mark.parametrize(
    ("stands", "rows"),
    [
        ("photo-0.7", ["0", "0.25", "0.5", "0.75", "1", "photo-0", "photo-0.25", "photo-0.5", "photo-0.7*", "photo-1"]),
        ("0.95", ["0", "0.25", "0.5", "0.95*", "1", "photo-0", "photo-0.25", "photo-0.5", "photo-0.75", "photo-1"]),
        (
            "photo-texture",
            ["0", "0.25", "0.5", "0.75", "1", "photo-0", "photo-0.25", "photo-0.5", "photo-0.75", "photo-1*"],
        ),
    ],
)
def test_where_the_dial_stands_is_shown(
    tmp_path: Path, photo: Path, labels: list[str], stands: str, rows: list[str]
) -> None:
    folder = model(tmp_path / "four", "fidelity", "texture", "photo-fidelity", "photo-texture")
    card = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(card | {"dial": stands}))
    compare(photo, [str(folder)], crop=BOX, device="cpu")
    assert labels[3:] == [f"four ({folder})\ndial {row.replace('*', ' (default)')}" for row in rows]
    labels.clear()
    compare(photo, [str(folder)], dials=(0.7, 0.95), crop=BOX, device="cpu")
    given = ["0.7", "0.95", "photo-0.7", "photo-0.95"]
    assert labels[3:] == [f"four ({folder})\ndial {dial}{' (default)' * (dial == stands)}" for dial in given]


def test_variants_in_no_pair_have_a_panel_beside_the_others(tmp_path: Path, photo: Path, labels: list[str]) -> None:
    folder = model(tmp_path / "three", "fidelity", "photo-fidelity", "photo-texture")
    compare(photo, [str(folder)], dials=(0, 1), device="cpu")
    name = f"three ({folder})"
    assert labels[3:] == [f"{name}\nfidelity (default)", f"{name}\ndial photo-0", f"{name}\ndial photo-1"]


def test_models_of_several_scales(tmp_path: Path, plain: Path, photo: Path, labels: list[str]) -> None:
    double, triple = (model(tmp_path / f"x{scale}", "fidelity", scale=scale) for scale in (2, 3))
    made = compare(photo, [str(plain), str(double), str(triple)], crop=BOX, device="cpu")
    assert [label.split()[-1] for label in labels[3:]] == [f"({plain})", "×2", "×3"]
    pixels = read(photo).pixels
    small = enlarged(load(double, device="cpu"), pixels, BOX)
    np.testing.assert_array_equal(panel(made.sheet.pixels, 1, 0), small.repeat(2, 0).repeat(2, 1))


def test_it_is_the_same_every_time(dialled: Path, photo: Path) -> None:
    first, second = (compare(photo, [str(dialled)], dials=(0, 1), device="cpu") for _ in range(2))
    assert first.crop == second.crop
    np.testing.assert_array_equal(first.sheet.pixels, second.sheet.pixels)


def test_a_tiny_photograph_is_shown_large_enough_for_labels(
    plain: Path, tmp_path: Path, write_noise: Callable[..., None], labels: list[str]
) -> None:
    write_noise(tmp_path / "tiny.png", 3, 5, 1)
    made = compare(tmp_path / "tiny.png", [str(plain)], device="cpu")
    assert made.crop == Box(0, 0, 5, 3)
    assert made.sheet.pixels.shape[1] == GAP + 4 * (240 + GAP)
    repeated = read(tmp_path / "tiny.png").pixels.repeat(48, 0).repeat(48, 1)
    np.testing.assert_array_equal(panel(made.sheet.pixels, 0, 1, 240, 144), repeated)


def test_a_narrow_crop_makes_no_tower(plain: Path, tmp_path: Path, write_noise: Callable[..., None]) -> None:
    write_noise(tmp_path / "photo.png", 200, 20, 1)
    tall, wide, _ = compare(tmp_path / "photo.png", [str(plain)], crop=Box(0, 0, 1, 200)).sheet.pixels.shape
    assert wide == GAP + 4 * (module.PANEL + GAP)
    assert 4 * 200 < tall < 4 * 200 + 200


def test_a_dial_keeps_all_its_digits(tmp_path: Path, photo: Path, labels: list[str]) -> None:
    """Names of pairs are not read with an exponent."""
    several = model(tmp_path / "m", "fidelity", "texture", "photo-fidelity", "photo-texture")
    compare(photo, [str(several)], crop=BOX, dials=[0.00001, 0.1234567])
    ends = [label.rsplit("\n")[-1] for label in labels[3:]]
    assert ends == ["dial 0.00001", "dial 0.1234567", "dial photo-0.00001", "dial photo-0.1234567"]


def test_grey_stays_grey_and_the_profile_is_kept(plain: Path, tmp_path: Path, write_noise: Callable[..., None]) -> None:
    write_noise(tmp_path / "grey.png", 40, 50, 1, 1)
    made = compare(tmp_path / "grey.png", [str(plain)], crop=Box(0, 0, 40, 40), device="cpu")
    assert made.sheet.grey
    assert np.ptp(made.sheet.pixels, axis=2).max() == 0


def test_transparency_is_laid_on_white(plain: Path, tmp_path: Path, labels: list[str]) -> None:
    rng = np.random.default_rng(1)
    alpha = np.ones((64, 64), np.float32)
    alpha[:, 32:] = 0
    write(Picture(rng.random((64, 64, 3), np.float32) / 2, alpha), tmp_path / "clear.png")
    box = Box(0, 0, 64, 64)
    sheet = compare(tmp_path / "clear.png", [str(plain)], crop=box, device="cpu").sheet.pixels
    for column in (1, 2, 3):
        shown = panel(sheet, 0, column, 256, 256)
        assert shown[:, :100].mean() < 0.6
        assert shown[:, 160:].mean() > 0.98  # a random network does not keep 0 quite


def test_colours_under_transparency_are_those_of_the_whole_photograph(tmp_path: Path, labels: list[str]) -> None:
    """What lies beyond the crop decides them too, and shows at a soft edge."""
    rng = np.random.default_rng(4)
    y, x = np.mgrid[:120, :120]
    alpha = np.clip((50 - np.hypot(y - 60, x - 60)) / 6, 0, 1).astype(np.float32)
    write(Picture(rng.random((120, 120, 3), np.float32), alpha), tmp_path / "clear.png")
    picture = read(tmp_path / "clear.png")
    assert picture.alpha is not None
    sheet = compare(tmp_path / "clear.png", ["compact-x4"], dials=(0.5,), crop=Box(5, 35, 64, 32), device="cpu").sheet
    shown = panel(sheet.pixels, 1, 0, 256, 128)
    whole = load("compact-x4", device="cpu", dial=0.5).upscale(np.dstack((picture.pixels, picture.alpha)))
    part = whole[140:268, 20:276]
    np.testing.assert_allclose(shown, part[..., :3] * part[..., 3:] + 1 - part[..., 3:], atol=2 / 255)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop": Box(100, 0, 64, 48)}, r"crop 100,0,64,48: reaches beyond .*photo\.png, which is 120×90; .*"),
        ({"crop": Box(0, 0, 600, 48)}, r"crop 0,0,600,48: too large for a contact sheet; give up to 512×512 pixels"),
        ({"dials": (0, 1.5)}, r"dial 1\.5: outside 0 to 1; .*"),
        ({"dials": (float("nan"),)}, r"dial nan: outside 0 to 1; .*"),
        ({"models": ["wonder"]}, r"wonder: no bundled model .*"),
        ({"device": "gpu"}, r"device gpu: unknown; .*"),
    ],
)
def test_what_is_refused(photo: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=f"^{message}$"):
        compare(photo, **options)  # type: ignore[arg-type]


def test_names_are_no_markup(plain: Path, tmp_path: Path, write_noise: Callable[..., None]) -> None:
    name = "<b>a & b</i>\x1b[2J 猫.png"
    write_noise(tmp_path / name, 20, 20, 1)
    sheet = compare(tmp_path / name, [str(plain)], crop=Box(0, 0, 20, 20), device="cpu").sheet.pixels
    assert (sheet[GAP : GAP + 30, GAP : GAP + 240] < 0.3).any()
    assert (sheet[:GAP] == 1).all()
