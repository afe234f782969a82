"""The ruler: unknown names and missing packages are told at once, and values that are no numbers."""

from pathlib import Path

import numpy as np
import pytest

from superfine.errors import UserError
from superfine.evaluation import ruler
from superfine.evaluation.cache import Entry
from superfine.evaluation.ruler import Ruler
from superfine.images import in_unit
from superfine.metrics import Pair


@pytest.fixture
def pair() -> Pair:
    generator = np.random.default_rng(3)
    return Pair(
        "noise", generator.integers(0, 256, (32, 32, 3), np.uint8), generator.random((8, 8, 3), np.float32), grey=False
    )


def test_only_what_is_missing_is_measured(pair: Pair) -> None:
    both = Ruler(["psnr_y", "ssim_y", "psnr_y"], "standard")
    entry = Entry({"psnr_y": 1.0})
    assert both.metrics == ("psnr_y", "ssim_y")
    assert both.missing(entry) == ["ssim_y"]
    values = both.measure(entry, in_unit(pair.hr), pair, scale=4)
    assert values == {"ssim_y": 1.0}
    assert both.values(Entry(entry.values | values)) == {"psnr_y": 1.0, "ssim_y": 1.0}


def test_values_by_other_weights_are_other_values(tmp_path: Path) -> None:
    rulers = []
    for text in ("one", "two"):
        (tmp_path / "weights").write_text(text)
        rulers.append(Ruler(["niqe"], "standard", {"niqe": tmp_path / "weights"}))
    entry = Entry(dict.fromkeys(rulers[0]._kept_as.values(), 5.0))
    assert rulers[0].missing(entry) == []
    assert rulers[1].missing(entry) == Ruler(["niqe"], "standard").missing(entry) == ["niqe"]


def test_values_of_networks_are_of_one_device_and_version(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = ["psnr_y", "lpips_alex"]
    here = Ruler(metrics, "standard")
    entry = Entry(dict.fromkeys(here._kept_as.values(), 5.0))
    assert here.missing(entry) == []
    assert Ruler(metrics, "standard", device="cuda").missing(entry) == ["lpips_alex"]
    monkeypatch.setattr(ruler, "library_versions", lambda: "others")
    assert Ruler(metrics, "standard").missing(entry) == ["lpips_alex"]


def test_a_missing_package_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ruler, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"metric lpips_alex: needs torch.*superfine\[train\]"):
        Ruler(["lpips_alex"], "standard")
    assert Ruler(["psnr_y"], "standard").metrics == ("psnr_y",)


def test_what_is_no_number_is_told(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Ruler(["psnr_y"], "standard")
    result = in_unit(pair.hr)
    result[0, 0, 0] = np.nan
    with pytest.raises(UserError, match="no numbers"):
        one.measure(Entry(), result, pair, scale=4)
    monkeypatch.setattr(ruler, "measure", lambda *_, **__: {"psnr_y": float("nan")})
    with pytest.raises(UserError, match="PSNR-Y has no value for this picture"):
        one.measure(Entry(), in_unit(pair.hr), pair, scale=4)
