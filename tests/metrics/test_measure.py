"""All metrics of a picture at once, the protocols' lines, and input that cannot be scored."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from superfine.errors import UserError
from superfine.images import imresize
from superfine.metrics import (
    METRICS,
    PROTOCOLS,
    Pristine,
    luma,
    measure,
    ms_ssim,
    niqe,
    psnr,
    read_pristine,
    ssim,
    ssim_daala,
    vgg_distance,
    write_pristine,
)

Pixels = NDArray[np.float32]

WITHOUT_NETWORKS = ["psnr_y", "psnr_rgb", "ssim_y", "ms_ssim_y", "niqe", "lr_consistency"]


def picture(height: int = 216, width: int = 240) -> Pixels:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    waves = [0.5 + 0.3 * np.sin(x / period) * np.cos(y / (period + 2)) for period in (5, 7, 11)]
    return (np.stack(waves, axis=2) + rng.normal(0, 0.05, (height, width, 3))).astype(np.float32)


@pytest.fixture(scope="module")
def enlarged() -> tuple[Pixels, Pixels, Pixels]:
    """A result, its original and what was enlarged; the first with values beyond [0,1], none of whole levels."""
    hr = picture()
    lr = imresize(hr.clip(0, 1), scale=0.25)
    return imresize(lr, scale=4.0) * np.float32(1.05), hr, lr


def levels(pixels: Pixels) -> NDArray[np.float64]:
    return np.rint(pixels.clip(0, 1).astype(np.float64) * 255)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_it_gives_what_the_metrics_give(enlarged: tuple[Pixels, Pixels, Pixels], protocol: str) -> None:
    result, hr, lr = enlarged
    given = measure(result, hr, lr, metrics=WITHOUT_NETWORKS, protocol=protocol, scale=4, grey=False)
    assert list(given) == WITHOUT_NETWORKS
    a, b = (luma(levels(p) / 255, grey=False, rounded=protocol == "standard") for p in (result, hr))
    on_luma = ssim if protocol == "standard" else ssim_daala
    rounded = luma(levels(result) / 255, grey=False, rounded=True)
    assert given["psnr_y"] == pytest.approx(psnr(a, b, crop=4, data_range=255), abs=1e-4)
    assert given["ssim_y"] == pytest.approx(on_luma(a, b, crop=4, data_range=255), abs=1e-6)
    assert given["ms_ssim_y"] == pytest.approx(ms_ssim(a, b, crop=4, data_range=255), abs=1e-6)
    assert given["psnr_rgb"] == pytest.approx(psnr(levels(result), levels(hr), crop=4, data_range=255), abs=1e-4)
    assert given["niqe"] == pytest.approx(niqe(rounded, crop=4), abs=1e-4)
    small = imresize(levels(result).astype(np.uint8), scale=0.25)
    assert given["lr_consistency"] == pytest.approx(psnr(small, levels(lr), crop=0, data_range=255), abs=1e-4)


@pytest.mark.parametrize("grey", [False, True])
def test_levels_are_what_their_floats_are(enlarged: tuple[Pixels, Pixels, Pixels], grey: bool) -> None:
    floats = [np.float32(levels(p) / 255) for p in enlarged]
    in_levels = [levels(p).astype(np.uint8) for p in enlarged]
    options = {"metrics": WITHOUT_NETWORKS, "protocol": "standard", "scale": 4, "grey": grey}
    expected = measure(*floats, **options)
    assert measure(*in_levels, **options) == expected
    assert measure(floats[0], in_levels[1], floats[2], **options) == expected


def test_the_protocols_differ_in_rounding_window_and_border(enlarged: tuple[Pixels, Pixels, Pixels]) -> None:
    result, hr, _ = enlarged
    given = {
        (protocol, scale): measure(
            result, hr, None, metrics=["psnr_y", "ssim_y"], protocol=protocol, scale=scale, grey=False
        )
        for protocol in PROTOCOLS
        for scale in (2, 4)
    }
    assert 1e-4 < abs(given["standard", 4]["psnr_y"] - given["srgan2017", 4]["psnr_y"]) < 0.05
    assert abs(given["standard", 4]["ssim_y"] - given["srgan2017", 4]["ssim_y"]) > 0.01
    assert given["srgan2017", 2] == given["srgan2017", 4], "the paper removes 4 pixels"
    assert given["standard", 2] != given["standard", 4], "the literature removes as many as the scale"


def test_identical_pictures() -> None:
    hr = picture()
    names = ["psnr_y", "psnr_rgb", "ssim_y", "ms_ssim_y"]
    for protocol in PROTOCOLS:
        assert measure(hr, hr, None, metrics=names, protocol=protocol, scale=4, grey=False) == {
            "psnr_y": float("inf"),
            "psnr_rgb": float("inf"),
            "ssim_y": 1.0,
            "ms_ssim_y": 1.0,
        }


def test_pictures_are_clipped_and_rounded_first() -> None:
    hr = np.full((40, 40, 3), 100 / 255, np.float32)
    names = ["psnr_y", "psnr_rgb"]
    same = {"psnr_y": float("inf"), "psnr_rgb": float("inf")}
    options = {"metrics": names, "protocol": "standard", "scale": 4, "grey": False}
    assert measure(hr + np.float32(0.4 / 255), hr, None, **options) == same
    assert measure(np.full_like(hr, 1.5), np.ones_like(hr), None, **options) == same


def test_grey_pictures_are_scored_on_raw_levels() -> None:
    hr = np.repeat(picture(40, 40)[..., :1], 3, axis=2).clip(0, 1)
    colours = hr + np.array([3, 0, -3], np.float32) / 255
    options = {"metrics": ["psnr_y", "psnr_rgb", "ssim_y"], "protocol": "standard", "scale": 4}
    inner = hr.clip(5 / 255, 250 / 255)
    assert measure(inner + np.array([4, 1, -5], np.float32) / 255, inner, None, **options, grey=True) == {
        "psnr_y": float("inf"),
        "psnr_rgb": float("inf"),
        "ssim_y": 1.0,
    }
    darker = (hr - np.float32(2 / 255)).clip(0, 1)
    grey = measure(darker, hr, None, **options, grey=True)
    assert grey["psnr_y"] == grey["psnr_rgb"]
    assert measure(colours, hr, None, **options, grey=False)["psnr_rgb"] < 45


def test_files_are_passed_on(shared: Path, tmp_path: Path, enlarged: tuple[Pixels, Pixels, Pixels]) -> None:
    result, hr, _ = enlarged
    weights = {
        "vgg_distance": shared / "data" / "weights" / "vgg19_conv3_1.safetensors",
        "niqe": tmp_path / "other.safetensors",
    }
    own = read_pristine()
    other = Pristine(own.mean + 1, own.covariance)
    write_pristine(other, weights["niqe"])
    names = ["vgg_distance", "niqe"]
    given = measure(result, hr, None, metrics=names, protocol="standard", scale=4, grey=False, weights=weights)
    a, b = ((levels(p) / 255).astype(np.float32) for p in (result, hr))
    expected = vgg_distance(a, b, crop=4, weights=weights["vgg_distance"])
    assert given["vgg_distance"] == pytest.approx(expected, rel=1e-4)
    rounded = luma(levels(result) / 255, grey=False, rounded=True)
    assert given["niqe"] == pytest.approx(niqe(rounded, crop=4, model=other), abs=1e-4)


def test_lpips_looks_for_the_network_of_its_name(tmp_path: Path, enlarged: tuple[Pixels, Pixels, Pixels]) -> None:
    result, hr, _ = enlarged
    for net, stem in (("alex", "alexnet-owt"), ("vgg", "vgg16"), ("squeeze", "squeezenet1_1")):
        name = f"lpips_{net}"
        options = {"metrics": [name], "protocol": "standard", "scale": 4, "grey": False}
        with pytest.raises(UserError, match=rf"has no backbone for {net}; place {stem}"):
            measure(result, hr, None, **options, weights={name: tmp_path})


@pytest.mark.parametrize(
    ("result", "original", "metric", "message"),
    [
        ((40, 44), (40, 40), "psnr_y", "the result is 44×40, its original 40×40; only pictures of one size compare"),
        ((18, 40), (18, 40), "ssim_y", "a picture of 32×10 inside its border: smaller than SSIM's window, 11×11"),
        ((180, 180), (180, 180), "ms_ssim_y", "smaller than what MS-SSIM's five scales need, 176×176"),
        ((8, 40), (8, 40), "psnr_y", "a picture of 40×8: nothing is left without its border of 4; leave it out"),
        ((100, 200), (100, 200), "niqe", "NIQE needs two blocks of 96×96"),
        ((40, 40), (40, 40), "lr_consistency", "the result is 40×40, not 4 times 9×9"),
    ],
)
def test_sizes_that_cannot_be_scored(
    result: tuple[int, int], original: tuple[int, int], metric: str, message: str
) -> None:
    a, b = (np.zeros((*shape, 3), np.float32) for shape in (result, original))
    with pytest.raises(UserError) as caught:
        measure(a, b, np.zeros((9, 9, 3)), metrics=[metric], protocol="standard", scale=4, grey=False)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers(value: float) -> None:
    hr = picture(40, 40)
    bad = hr.copy()
    bad[5, 6, 1] = value
    with pytest.raises(UserError, match="the result holds values that are no numbers"):
        measure(bad, hr, None, metrics=["psnr_y"], protocol="standard", scale=4, grey=False)


def test_what_a_programmer_gets_wrong() -> None:
    hr = picture(40, 40)
    with pytest.raises(ValueError, match="unknown protocol 'x'; choose one of standard, srgan2017"):
        measure(hr, hr, None, metrics=["psnr_y"], protocol="x", scale=4, grey=False)
    with pytest.raises(ValueError, match="unknown metric 'x'; choose among psnr_y"):
        measure(hr, hr, None, metrics=["x"], protocol="standard", scale=4, grey=False)
    with pytest.raises(ValueError, match=r"unknown metric 'pi'; choose among (?!.*\bpi\b)"):
        measure(hr, hr, None, metrics=["pi"], protocol="standard", scale=4, grey=False)
    with pytest.raises(ValueError, match="pictures are H×W×3"):
        measure(hr[..., 0], hr[..., 0], None, metrics=["psnr_y"], protocol="standard", scale=4, grey=False)
    with pytest.raises(ValueError, match="needs the low-resolution picture"):
        measure(hr, hr, None, metrics=["lr_consistency"], protocol="standard", scale=4, grey=False)


def test_every_metric_is_described_and_can_be_measured(enlarged: tuple[Pixels, Pixels, Pixels]) -> None:
    assert all(name == metric.name for name, metric in METRICS.items())
    without = [name for name, metric in METRICS.items() if not metric.needs]
    assert without == WITHOUT_NETWORKS
    assert {name for name, metric in METRICS.items() if metric.higher_is_better} == {
        "psnr_y",
        "psnr_rgb",
        "ssim_y",
        "ms_ssim_y",
        "lr_consistency",
    }
    result, hr, lr = enlarged
    options = {"protocol": "standard", "scale": 4, "grey": False}
    better = measure(hr, hr, lr, metrics=without, **options)
    worse = measure(result, hr, lr, metrics=without, **options)
    for name in without:
        if name != "niqe":  # what is pristine in made-up noise, only its authors know
            assert (better[name] > worse[name]) == METRICS[name].higher_is_better


def test_the_lines_of_the_protocols() -> None:
    standard, srgan = PROTOCOLS["standard"], PROTOCOLS["srgan2017"]
    assert standard.line(["psnr_y", "ssim_y"], scale=3) == (
        "Protocol standard, ×3: 8-bit pictures without a border of 3 pixels; Y of BT.601 in limited range, rounded to "
        "whole levels, grey pictures on their raw levels; SSIM with an 11×11 Gaussian window of σ 1.5, where it fits; "
        "means over the pictures."
    )
    assert "a border of 4 pixels; Y of BT.601 in limited range, not rounded" in srgan.line(["psnr_y"], scale=4)
    assert "SSIM" not in srgan.line(["psnr_y"], scale=4)
    assert "SSIM as in the Daala project" in srgan.line(["ssim_y"], scale=4)
    assert "BT.601" not in standard.line(["psnr_rgb", "lpips_alex"], scale=4)
    assert "LPIPS-Alex: version 0.1 on RGB, 0 for equal pictures; means" in standard.line(["lpips_alex"], scale=4)
    assert "superfine's own model of pristine pictures, whose values" in standard.line(["niqe"], scale=4)
    files = {"niqe": Path("a/modelparameters.mat"), "vgg_distance": Path("vgg19.safetensors"), "pi": Path("b/ma.csv")}
    line = standard.line(["niqe", "vgg_distance", "pi"], scale=4, weights=files)
    assert "96×96 blocks, model of pristine pictures modelparameters.mat;" in line
    assert "before their activation, weights vgg19.safetensors;" in line
    assert "PI: half of 10 − Ma + NIQE, Ma's scores from ma.csv;" in line
    assert (standard.crop(3), srgan.crop(4)) == (3, 4)


def test_only_networks_need_torch() -> None:
    code = """
import sys
sys.modules["torch"] = None
import numpy as np
from superfine.metrics import measure
a = np.random.default_rng(0).random((216, 216, 3), dtype=np.float32)
options = dict(protocol="standard", scale=4, grey=False)
names = ["psnr_y", "psnr_rgb", "ssim_y", "ms_ssim_y", "niqe", "lr_consistency"]
assert len(measure(a, a, a[::4, ::4], metrics=names, **options)) == 6
for name in ("lpips_alex", "vgg_distance"):
    try:
        measure(a, a, None, metrics=[name], **options)
    except ValueError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "".join(
        f"metric {name}: needs torch, which is not installed; pip install 'superfine[train]'\n"
        for name in ("lpips_alex", "vgg_distance")
    )
