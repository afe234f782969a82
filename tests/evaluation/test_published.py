"""The published rows: whole, told apart by protocol, and found by our recipes."""

import pytest

from superfine.evaluation.published import FLAGS, PICTURES, PUBLISHED, counterpart
from superfine.metrics import METRICS, PROTOCOLS
from superfine.training.recipes import RECIPES


def test_every_row_has_a_source_a_protocol_and_known_names() -> None:
    for row in PUBLISHED:
        assert row.source
        assert row.protocol in PROTOCOLS
        assert row.flag in ("", *FLAGS)
        assert row.values
        assert set(row.values) <= set(PICTURES)
        for values in row.values.values():
            assert values
            assert set(values) <= {*METRICS, "mos"}
        assert set(row.recipes) <= {"nearest", "bicubic", *RECIPES}


def test_no_row_is_there_twice() -> None:
    names = [(row.method, row.protocol) for row in PUBLISHED]
    assert len(set(names)) == len(names)
    recipes = [(recipe, row.protocol) for row in PUBLISHED for recipe in row.recipes]
    assert len(set(recipes)) == len(recipes)


@pytest.mark.parametrize(
    ("recipe", "protocol", "method", "set", "values"),
    [
        ("bicubic", "standard", "bicubic", "Set14", {"psnr_y": 25.99, "ssim_y": 0.7024}),
        ("bicubic", "srgan2017", "bicubic", "BSD100", {"psnr_y": 25.94, "ssim_y": 0.6935, "mos": 1.47}),
        ("srcnn", "standard", "SRCNN", "Urban100", {"psnr_y": 24.52, "ssim_y": 0.7221}),
        ("srresnet-mse", "srgan2017", "SRResNet-MSE", "Set5", {"psnr_y": 32.05, "ssim_y": 0.9019, "mos": 3.37}),
        ("srresnet-mse", "standard", "SRResNet", "Set5", {"psnr_y": 32.05, "ssim_y": 0.8910}),
        ("rrdb-psnr", "standard", "RRDB", "BSD100", {"psnr_y": 27.85, "ssim_y": 0.7455}),
        ("esrgan", "standard", "ESRGAN", "Set5", {"pi": 3.75, "lpips_alex": 0.075, "psnr_y": 30.45}),
    ],
)
def test_a_recipe_finds_its_counterpart(
    recipe: str, protocol: str, method: str, set: str, values: dict[str, float]
) -> None:
    row = counterpart(recipe, protocol, 4)
    assert row is not None
    assert row.method == method
    assert row.values[set] == values


def test_what_is_not_printed_has_no_counterpart() -> None:
    assert counterpart("", "standard", 4) is None
    assert counterpart("compact-fidelity", "standard", 4) is None
    assert counterpart("bicubic", "standard", 2) is None
    assert counterpart("rrdb-psnr", "srgan2017", 4) is None
    assert "Urban100" not in next(row for row in PUBLISHED if row.method == "SRGAN-VGG54").values


def test_the_retrained_srgan_is_not_the_papers() -> None:
    paper = counterpart("srgan-vgg54", "srgan2017", 4)
    assert paper is not None
    assert paper.values["Set5"]["psnr_y"] == 29.40
    assert counterpart("srgan-vgg54", "standard", 4) is None
    (retrained,) = [row for row in PUBLISHED if "retrained" in row.method]
    assert retrained.values["Set5"]["psnr_y"] == 29.17
    assert retrained.recipes == ()
    assert retrained.source != paper.source
