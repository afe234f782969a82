"""NIQE: its features block by block with slow formulas, its distance, its models and their files; and the perceptual index."""

from math import gamma, sqrt
from pathlib import Path

import numpy as np
import pytest
import pyvips
from numpy.typing import NDArray
from scipy.io import savemat

from superfine.errors import UserError
from superfine.images import imresize, in_unit, read
from superfine.metrics import (
    Pristine,
    fit_niqe,
    luma,
    measure,
    niqe,
    pairs,
    perceptual_index,
    read_pristine,
    write_pristine,
)
from superfine.metrics.niqe import _features

Doubles = NDArray[np.float64]


@pytest.fixture(scope="module")
def photographs(shared: Path) -> list[Doubles]:
    """Luma of parts of two of Kodak's photographs."""
    files = sorted((shared / "data" / "validation" / "kodak24").iterdir())[4:6]
    return [luma(read(file).pixels[:392, :392], grey=False, rounded=True) for file in files]


def texture(seed: int, height: int, width: int) -> Doubles:
    """Noise of neither one sign nor one direction, in levels."""
    noise = np.random.default_rng(seed).gamma(2.0, 20.0, (height + 2, width + 2))
    return (noise[2:, 2:] + noise[1:-1, 2:] + 0.5 * noise[2:, :-2]).clip(0, 255).round()


def test_the_features_of_every_block() -> None:
    y = texture(0, 200, 290)
    found, sharpness = _features(y)
    assert found.shape == (6, 36)
    whole, half = y[:192, :288], imresize(y[:192, :288], scale=0.5, padding="symmetric")
    for index in range(6):
        row, column = divmod(index, 3)
        expected = []
        for scale, side in ((whole, 96), (half, 48)):
            block = np.s_[row * side : (row + 1) * side, column * side : (column + 1) * side]
            mean, deviation = (statistic[block] for statistic in local_statistics(scale))
            expected += slow_features((scale[block] - mean) / (deviation + 1))
            if side == 96:
                assert sharpness[index] == pytest.approx(deviation.mean())
        np.testing.assert_allclose(found[index], expected, atol=1e-9)


def local_statistics(y: Doubles) -> tuple[Doubles, Doubles]:
    weights = np.exp(-(np.add.outer(np.arange(-3, 4) ** 2, np.arange(-3, 4) ** 2)) / (2 * (7 / 6) ** 2))
    weights /= weights.sum()
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(y, 3, mode="edge"), (7, 7))
    mean = np.einsum("hwij,ij->hw", windows, weights)
    return mean, np.sqrt(np.abs(np.einsum("hwij,ij->hw", windows**2, weights) - mean**2))


def slow_features(block: Doubles) -> list[float]:
    shape, left, right = slow_fit(block)
    features = [shape, (left + right) / 2]
    for down, right_by in ((0, 1), (1, 0), (1, 1), (1, -1)):
        size = len(block)
        moved = [[block[(i - down) % size, (j - right_by) % size] for j in range(size)] for i in range(size)]
        shape, left, right = slow_fit(block * np.array(moved))
        features += [shape, (right - left) * gamma(2 / shape) / gamma(1 / shape), left, right]
    return features


def slow_fit(x: Doubles) -> tuple[float, float, float]:
    left, right = sqrt((x[x < 0] ** 2).mean()), sqrt((x[x > 0] ** 2).mean())
    ratio = left / right
    wanted = np.abs(x).mean() ** 2 / (x**2).mean() * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    shapes = np.arange(0.2, 10.0005, 0.001)
    moments = np.array([gamma(2 / s) ** 2 / (gamma(1 / s) * gamma(3 / s)) for s in shapes])
    shape = float(shapes[np.argmin((moments - wanted) ** 2)])
    scale = sqrt(gamma(1 / shape) / gamma(3 / shape))
    return shape, left * scale, right * scale


def test_the_distance_of_the_distributions() -> None:
    rng = np.random.default_rng(0)
    spread = rng.normal(size=(36, 36))
    made_up = Pristine(rng.normal(size=36), spread @ spread.T + np.eye(36))
    y = texture(1, 204, 300)
    features = _features(y[4:-4, 4:-4])[0]
    for model in (made_up, read_pristine()):
        difference = model.mean - features.mean(0)
        inverse = np.linalg.inv((model.covariance + np.cov(features.T)) / 2)
        assert niqe(y, crop=4, model=model) == pytest.approx(sqrt(difference @ inverse @ difference))
    assert niqe(y + 0.4, crop=4) == niqe(y, crop=4), "levels are whole"


def test_faults_are_worse_than_photographs(photographs: list[Doubles]) -> None:
    rng = np.random.default_rng(0)
    for y in photographs:
        pristine = niqe(y, crop=4)
        assert 1.5 < pristine < 4.5
        noisy = niqe((y + rng.normal(0, 12, y.shape)).clip(0, 255), crop=4)
        blurred = [niqe(imresize(imresize(y, scale=1 / s), scale=float(s)).clip(0, 255), crop=4) for s in (2, 4)]
        assert noisy > pristine + 1.5
        assert pristine < blurred[0] < blurred[1]


def test_the_means_of_set5_that_the_page_prints(shared: Path) -> None:
    """docs/metrics.md."""
    found: dict[str, list[float]] = {"original": [], "bicubic": [], "nearest": []}
    for pair in pairs(shared / "data" / "benchmarks" / "Set5", 4):
        results = {"original": in_unit(pair.hr)} | {
            kernel: imresize(pair.lr, scale=4.0, kernel=kernel) for kernel in ("bicubic", "nearest")
        }
        for name, result in results.items():
            values = measure(result, pair.hr, None, metrics=["niqe"], protocol="standard", scale=4, grey=pair.grey)
            found[name].append(values["niqe"])
    means = {name: f"{np.mean(values):.2f}" for name, values in found.items()}
    assert means == {"original": "4.00", "bicubic": "7.24", "nearest": "8.13"}


def test_refuses_what_has_no_statistics() -> None:
    y = texture(2, 300, 300)
    flat = y.copy()
    flat[:, 96:] = 128
    for picture in (y[:150], flat[:180], np.full((300, 300), 128.0)):
        with pytest.raises(UserError, match="NIQE needs two blocks of 96×96 that are not flat; leave it out"):
            niqe(picture[:, :180], crop=0)
    with pytest.raises(ValueError, match="niqe takes H×W luma"):
        niqe(np.zeros((300, 300, 3)), crop=0)


def write(file: Path, y: Doubles) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pyvips.Image.new_from_array(y.astype(np.uint8)).write_to_file(str(file))


def test_a_model_is_fitted_to_the_sharp_blocks(tmp_path: Path) -> None:
    """A picture of which the right half is flatter gives the same model as its left half alone.

    Its deviations are 0.7 of the sharpest ones, too little; 0.85 of them, as at the bottom left, are enough.
    """
    left, right = texture(3, 960, 480), texture(4, 960, 480)
    left[480:] = (128 + 0.85 * (left[480:] - 128)).round()
    write(tmp_path / "a" / "below" / "1.png", np.hstack([left, 128 + 0.7 * (right - 128)]))
    write(tmp_path / "b" / "1.png", left)
    write(tmp_path / "b" / "small.png", left[:50, :50])
    both, half = fit_niqe(tmp_path / "a"), fit_niqe(tmp_path / "b", description="half")
    assert half.about == {"description": "half", "photographs": "1", "blocks": "50", "every": "1"}
    assert both.about["blocks"] == "50"
    # The half picture ends where the other goes on, so the blocks at that border differ a little.
    np.testing.assert_allclose(both.mean, half.mean, rtol=0.02, atol=2e-3)
    blocks = _features(left)[0]
    np.testing.assert_allclose(half.mean, blocks.mean(0))
    np.testing.assert_allclose(half.covariance, np.cov(blocks.T))
    assert niqe(left, crop=0, model=half) == pytest.approx(0.0, abs=1e-6)


def test_every_so_manieth_photograph(tmp_path: Path) -> None:
    for i in range(5):
        write(tmp_path / f"{i}.png", texture(i, 480, 480))
    seen: list[tuple[int, int]] = []
    (tmp_path / "a trip.png").mkdir()
    some = fit_niqe(tmp_path, every=2, progress=lambda done, total: seen.append((done, total)))
    assert some.about["photographs"] == "3"
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_refuses_to_fit_too_little(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"missing: is not a folder; give a folder of photographs"):
        fit_niqe(tmp_path / "missing")
    with pytest.raises(UserError, match=r"gives 0 sharp blocks of 96×96, a model needs more than 36"):
        fit_niqe(tmp_path)
    with pytest.raises(UserError, match=r"every 0: must be 1 or more"):
        fit_niqe(tmp_path, every=0)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(UserError, match=r"broken\.png: "):
        fit_niqe(tmp_path)


@pytest.fixture
def model() -> Pristine:
    rng = np.random.default_rng(5)
    spread = rng.normal(size=(36, 36))
    return Pristine(rng.normal(size=36), spread @ spread.T, {"description": "made up"})


def test_models_are_read_as_they_were_written(tmp_path: Path, model: Pristine) -> None:
    write_pristine(model, tmp_path / "m.safetensors")
    again = read_pristine(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.mean, model.mean)
    np.testing.assert_array_equal(again.covariance, model.covariance)
    assert again.about == model.about
    y = texture(6, 200, 300)
    assert niqe(y, crop=0, model=tmp_path / "m.safetensors") == niqe(y, crop=0, model=model)
    assert niqe(y, crop=0) != niqe(y, crop=0, model=model)
    with pytest.raises(UserError, match=r"cannot be written: No such file or directory; give another place"):
        write_pristine(model, tmp_path / "no" / "m.safetensors")


@pytest.mark.parametrize("compressed", [True, False])
def test_models_of_other_tools(tmp_path: Path, model: Pristine, compressed: bool) -> None:
    file = tmp_path / "modelparameters.mat"
    tables = {"mu_prisparam": model.mean[None], "cov_prisparam": model.covariance, "n": np.array([[3.0]])}
    savemat(file, tables, do_compression=compressed)
    np.savez(tmp_path / "m.npz", mu_pris_param=model.mean[None], cov_pris_param=model.covariance)
    for path in (file, tmp_path / "m.npz"):
        again = read_pristine(path)
        np.testing.assert_array_equal(again.mean, model.mean)
        np.testing.assert_array_equal(again.covariance, model.covariance)
        assert again.about == {"file": path.name}


def test_refuses_files_that_are_no_models(tmp_path: Path, model: Pristine) -> None:
    with pytest.raises(UserError, match=r"none\.npz: does not exist"):
        read_pristine(tmp_path / "none.npz")
    write_pristine(model, tmp_path / "good.safetensors")
    savemat(tmp_path / "good.mat", {"mu_prisparam": model.mean, "cov_prisparam": model.covariance})
    np.savez(tmp_path / "good.npz", mu_pris_param=model.mean, cov_pris_param=model.covariance)
    for name in ("good.safetensors", "good.mat", "good.npz"):
        whole = (tmp_path / name).read_bytes()
        for length in (0, 5, 130, len(whole) // 2, len(whole) - 9):
            (tmp_path / name).write_bytes(whole[:length])
            with pytest.raises(UserError, match=r"damaged, or no model|holds no model"):
                read_pristine(tmp_path / name)
    np.savez(tmp_path / "other.npz", mean=model.mean)
    with pytest.raises(UserError, match=r"other\.npz: holds no model of NIQE"):
        read_pristine(tmp_path / "other.npz")
    for mean, covariance in ((model.mean[:20], model.covariance), (model.mean * np.nan, model.covariance)):
        np.savez(tmp_path / "other.npz", mean=mean, covariance=covariance)
        with pytest.raises(UserError, match=r"other\.npz: NIQE's model is 36 means and 36×36 covariances"):
            read_pristine(tmp_path / "other.npz")
    np.savez(tmp_path / "other.npz", mean=np.array([{}], dtype=object), covariance=model.covariance)
    with pytest.raises(UserError, match="damaged"):
        read_pristine(tmp_path / "other.npz")


def test_the_bundled_model_says_what_it_is() -> None:
    model = read_pristine()
    assert "no picture of a benchmark set is among them" in model.about["description"]
    assert int(model.about["blocks"]) > 1000
    assert np.linalg.eigvalsh(model.covariance).min() > 0


def test_the_perceptual_index() -> None:
    assert perceptual_index(8.0, 3.0) == pytest.approx(2.5)
