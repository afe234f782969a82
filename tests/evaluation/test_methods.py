"""Methods: what is given is understood, and makes pictures."""

import dataclasses
import errno
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from superfine import zoo
from superfine.engine import backends, load
from superfine.errors import UserError
from superfine.evaluation import methods as module
from superfine.evaluation.methods import Interpolation, Network, ReadyMade, common_scale, open_methods
from superfine.evaluation.sets import BenchmarkSet, open_set
from superfine.images import Picture, imresize, in_unit, write
from superfine.metrics.pairs import Item
from superfine.modelfile import GRAPH, Variant, open_model, write_model

WriteNoise = Callable[..., None]


@pytest.fixture(scope="module")
def dialled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model with a second variant, that has all its weights halved."""
    bundled = open_model(zoo.find("compact-x4"))
    weights = bundled.weights("fidelity")
    halved = {name: (tensor / 2).astype(np.float16) for name, tensor in weights.items()}
    texture = Variant("texture.safetensors", training={"name": "esrgan"})
    variants = {"fidelity": bundled.card.variants["fidelity"], "texture": texture}
    card = dataclasses.replace(bundled.card, variants=variants, dial="0")
    folder = tmp_path_factory.mktemp("models") / "two"
    write_model(folder, card, bundled.read(GRAPH), {"fidelity": weights, "texture": halved})
    return folder


@pytest.fixture
def bench(tmp_path: Path, write_noise: WriteNoise) -> BenchmarkSet:
    """One picture in colour and one in grey."""
    write_noise(tmp_path / "bench" / "colour.png", 32, 40, 1)
    write_noise(tmp_path / "bench" / "grey.png", 32, 32, 2, channels=1)
    return open_set(tmp_path / "bench", 4)


def test_interpolations_are_imresize(bench: BenchmarkSet) -> None:
    for method in open_methods(["nearest", "bilinear", "bicubic"]):
        assert isinstance(method, Interpolation)
        pair = bench.pair(bench.items[0])
        result = method.ready(1)(bench, bench.items[0], pair)
        expected = imresize(pair.lr, scale=4, kernel=method.name).clip(0, 1)
        np.testing.assert_array_equal(result.pixels, expected)
        assert method.recipe == method.name


def test_a_model_gives_what_the_engine_gives(dialled: Path, bench: BenchmarkSet) -> None:
    given = ["compact-x4", str(dialled), f"{dialled}:texture", f"{dialled}:0.6"]
    methods = open_methods(given)
    for method, dial in zip(methods, (0.0, 0.0, "texture", 0.6), strict=True):
        produce, model = method.ready(1), load(dialled, dial=dial)
        for item in bench.items:
            pair = bench.pair(item)
            expected = model.upscale(pair.lr)
            # In colour already rounded to levels.
            expected = expected if pair.grey else np.rint(expected * 255).astype(np.uint8)
            found = produce(bench, item, pair).pixels
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)


def test_models_are_called_by_their_cards_and_told_apart(dialled: Path) -> None:
    methods = open_methods(["compact-x4", str(dialled), f"{dialled}:texture", f"{dialled}:0.6"])
    assert [method.name for method in methods] == [
        "compact-x4",
        str(dialled),  # its card has the name of the one before
        f"{dialled}:texture",  # and so its dial is not that one's
        f"{dialled}:0.6",
    ]
    assert [method.name for method in open_methods([str(dialled), f"{dialled}:0.6"])] == [
        "compact-x4",
        "compact-x4:0.6",
    ]
    assert [method.recipe for method in methods] == ["compact-fidelity", "compact-fidelity", "esrgan", ""]
    assert [method.variant for method in methods if isinstance(method, Network)] == [
        "fidelity",
        "fidelity",
        "texture",
        None,
    ]


def test_a_plus_is_the_self_ensemble(dialled: Path, bench: BenchmarkSet, monkeypatch: pytest.MonkeyPatch) -> None:
    given = ["compact-x4", "compact-x4+", "compact-x4:0.6+", "compact-x4:texture+"]
    monkeypatch.setattr("superfine.zoo.find", lambda name: dialled)
    methods = open_methods(given)
    assert [method.name for method in methods] == given
    assert [method.recipe for method in methods] == ["compact-fidelity", "", "", ""], "the papers' rows are without it"
    assert [cast(Network, method).variant for method in methods] == ["fidelity", None, None, None]
    assert len({method.hash(()) for method in methods}) == 4
    pair = bench.pair(bench.items[0])
    for method, dial, ensemble in zip(methods[:3], (0.0, 0.0, 0.6), (False, True, True), strict=True):
        found = method.ready(1)(bench, bench.items[0], pair).pixels
        expected = load(dialled, dial=dial, self_ensemble=ensemble).upscale(pair.lr)
        np.testing.assert_array_equal(found, expected if pair.grey else np.rint(expected * 255).astype(np.uint8))
    with pytest.raises(UserError, match=r"compact-x4:0\+: is compact-x4\+, which is given already"):
        open_methods(["compact-x4+", "compact-x4:0+"])


def test_a_plus_is_for_models_and_may_end_a_folders_name(
    tmp_path: Path, write_noise: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_noise(tmp_path / "made" / "a.png", 16, 16, 0)
    with pytest.raises(UserError, match="made: holds pictures, not a model; leave out the \\+"):
        open_methods(["made+"])
    write_noise(tmp_path / "made+" / "a.png", 16, 16, 0)
    assert [method.name for method in open_methods(["made", "made+"])] == ["made", "made+"]
    with pytest.raises(UserError, match="no bundled model"):
        open_methods([300 * "a" + "+"])


def test_the_hash_is_that_of_the_weights(dialled: Path) -> None:
    bundled, same, texture, mixed = (
        method.hash(()) for method in open_methods(["compact-x4", str(dialled), f"{dialled}:1", f"{dialled}:0.6"])
    )
    assert bundled == same
    assert len({bundled, texture, mixed}) == 3


def test_an_end_of_the_dial_is_its_variant(dialled: Path) -> None:
    found = [open_methods([f"{dialled}:{dial}"])[0] for dial in ("0", "fidelity", "0.5", "1", "texture")]
    assert [cast(Network, method).variant for method in found] == ["fidelity", "fidelity", None, "texture", "texture"]
    for one, other in (("", ":0"), (":fidelity", ""), (":texture", ":1"), (":0.5", ":0.50")):
        with pytest.raises(UserError, match=rf"{other}: is .*{one}, which is given already; give each once"):
            open_methods([f"{dialled}{one}", f"{dialled}{other}"])


def test_where_the_dial_stands_is_no_part_of_the_hash(dialled: Path, tmp_path: Path) -> None:
    folder = open_model(dialled)
    weights = {name: folder.weights(name) for name in folder.card.variants}
    turned = write_model(
        tmp_path / "turned", dataclasses.replace(folder.card, dial="0.5"), folder.read(GRAPH), weights
    ).path
    methods = open_methods([f"{dialled}:0", f"{turned}:0"])
    assert methods[0].hash(()) == methods[1].hash(())


def test_the_hash_is_that_of_all_the_results_depend_on(dialled: Path, tmp_path: Path) -> None:
    folder = open_model(dialled)
    weights = {name: folder.weights(name) for name in folder.card.variants}
    others = [{"name": "other"}, {"licence": "other"}, {"radius": folder.card.radius + 1}]
    hashes = []
    for number, change in enumerate([{}, *others]):
        card = dataclasses.replace(folder.card, **change)
        write_model(tmp_path / str(number), card, folder.read(GRAPH), weights)
        (method,) = open_methods([str(tmp_path / str(number))])
        hashes.append(method.hash(()))
    assert hashes[0] == hashes[1] == hashes[2] != hashes[3]


def test_the_fingerprint_is_that_of_model_device_and_libraries(
    dialled: Path, bench: BenchmarkSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fingerprint(dial: str = "0", device: str = "cpu") -> str:
        (method,) = open_methods([f"{dialled}:{dial}"], device=device)
        return method.fingerprint(bench, bench.items[0])

    before = fingerprint()
    assert fingerprint() == before
    others = [fingerprint(dial="1"), fingerprint(device="torch:cpu")]
    monkeypatch.setattr(module, "library_versions", lambda: "others")
    others.append(fingerprint())
    assert len({before, *others}) == 4


def test_auto_is_known_as_the_device_that_it_is(
    dialled: Path, bench: BenchmarkSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU that comes or goes makes other values; with neither, ``auto`` and ``cpu`` share theirs."""
    cpu, cuda = (
        open_methods([str(dialled)], device=device)[0].fingerprint(bench, bench.items[0]) for device in ("cpu", "cuda")
    )
    monkeypatch.setattr(backends, "_may_have_gpu", lambda: False)
    (method,) = open_methods([str(dialled)], device="auto")
    assert method.fingerprint(bench, bench.items[0]) == cpu
    monkeypatch.setattr(backends, "_may_have_gpu", lambda: True)
    monkeypatch.setattr("superfine.engine.backends.torch.gpu", lambda: "cuda")
    assert method.fingerprint(bench, bench.items[0]) == cuda
    monkeypatch.setattr("superfine.engine.backends.torch.gpu", lambda: None)
    assert method.fingerprint(bench, bench.items[0]) == cpu


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (["no-such"], "no-such: no bundled model"),
        (["srcnn-x4:texture"], "has only fidelity"),
        (["srcnn-x4:0.5"], "nothing to turn to"),
        (["compact-x4:7"], "outside 0 to 1"),
        (["bicubic", "bicubic"], "another method is called bicubic too"),
    ],
)
def test_what_cannot_be_is_told_at_once(given: list[str], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        open_methods(given)


def test_a_folder_called_as_the_originals_are_is_told(
    tmp_path: Path, write_noise: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_noise(tmp_path / "HR" / "a.png", 16, 16, 0)
    with pytest.raises(UserError, match="HR is what the originals or their twins are called; rename the folder"):
        open_methods(["HR"])


def test_an_unknown_device_is_told_at_once() -> None:
    with pytest.raises(UserError, match="device abacus: unknown"):
        open_methods(["bicubic"], device="abacus")


def test_a_folder_without_model_or_pictures_is_told(tmp_path: Path) -> None:
    (tmp_path / "old.bmp").write_bytes(b"BM")
    with pytest.raises(UserError, match="holds neither a model nor pictures that can be read"):
        open_methods([str(tmp_path)])
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(UserError, match="a training run, not a model"):
        open_methods([str(tmp_path)])


def test_a_folder_that_may_not_be_searched_is_told(
    tmp_path: Path, bench: BenchmarkSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(UserError, match="cannot be searched: Permission denied"):
        open_methods([str(tmp_path)])
    with pytest.raises(UserError, match="cannot be searched: Permission denied"):
        ReadyMade("tool", tmp_path).fingerprint(bench, bench.items[0])


def test_the_scale_is_that_of_the_models(dialled: Path) -> None:
    assert common_scale(open_methods(["bicubic"])) == 4
    assert common_scale(open_methods(["bicubic"]), 2) == 2
    assert common_scale(open_methods(["bicubic", "compact-x4"])) == 4
    with pytest.raises(UserError, match="compact-x4: enlarges 4 times, not 3"):
        common_scale(open_methods(["compact-x4"]), 3)
    double = dataclasses.replace(Interpolation("bicubic"), scale=2)
    with pytest.raises(UserError, match="models of different scales"):
        common_scale([double, *open_methods(["compact-x4"])])


def ready_made(folder: Path) -> ReadyMade:
    (method,) = open_methods([str(folder)])
    assert isinstance(method, ReadyMade)
    return method


@pytest.mark.parametrize("file", ["colour.png", "colourx4.png", "colour@4x.webp", "colour_out.png", "colour_SR.png"])
def test_ready_made_pictures_are_found_by_name(
    file: str, bench: BenchmarkSet, tmp_path: Path, write_noise: WriteNoise
) -> None:
    write_noise(tmp_path / "other tool" / "noise.png", 32, 40, 9)
    (tmp_path / "other tool" / "noise.png").rename(tmp_path / "other tool" / file)
    method = ready_made(tmp_path / "other tool")
    item = bench.items[0]
    assert method.name == "other tool"
    assert method.ready(1)(bench, item, bench.pair(item)).pixels.shape == (32, 40, 3)
    assert len(method.fingerprint(bench, item)) == 64


def test_a_folder_for_each_set_goes_first(bench: BenchmarkSet, tmp_path: Path, write_noise: WriteNoise) -> None:
    write_noise(tmp_path / "tool" / "Bench" / "colour.png", 32, 40, 8)
    write_noise(tmp_path / "tool" / "colour.png", 32, 40, 9)
    method = ready_made(tmp_path / "tool")
    before = method.fingerprint(bench, bench.items[0])
    write_noise(tmp_path / "tool" / "Bench" / "colour.png", 32, 40, 10)
    assert method.fingerprint(bench, bench.items[0]) != before


def test_a_link_to_pictures_has_its_own_name(tmp_path: Path, write_noise: WriteNoise) -> None:
    write_noise(tmp_path / "store" / "ab12" / "a.png", 16, 16, 1)
    (tmp_path / "tool").symlink_to("store/ab12")
    assert ready_made(tmp_path / "tool").name == "tool"


def fails(method: ReadyMade, bench: BenchmarkSet, name: str) -> str:
    item = next(item for item in bench.items if item.name == name)
    try:
        method.fingerprint(bench, item)
        method.ready(1)(bench, item, bench.pair(item))
    except UserError as error:
        return str(error)
    return ""


def test_what_is_wrong_with_ready_made_pictures_is_told(
    bench: BenchmarkSet, tmp_path: Path, write_noise: WriteNoise
) -> None:
    tool = tmp_path / "tool"
    write_noise(tool / "colour.png", 32, 41, 9)
    assert "has no picture of grey; add grey.png" in fails(ready_made(tool), bench, "grey")
    assert "colour.png: is 41×32, its original 40×32" in fails(ready_made(tool), bench, "colour")
    write_noise(tool / "colour.png", 32, 40, 9, channels=1)
    assert "colour.png: is grey, its original is in colour" in fails(ready_made(tool), bench, "colour")
    (tool / "colour.png").rename(tool / "colour_a.png")
    write_noise(tool / "colour_b.png", 32, 40, 9)
    assert "colour_a.png, colour_b.png may all be colour" in fails(ready_made(tool), bench, "colour")


def test_colours_in_a_picture_of_a_grey_original_are_noted(
    bench: BenchmarkSet, tmp_path: Path, write_noise: WriteNoise
) -> None:
    grey = next(item for item in bench.items if item.name == "grey")
    pair = bench.pair(grey)
    tool = tmp_path / "tool"
    tool.mkdir()
    write(Picture(in_unit(pair.hr), grey=False), tool / "grey.png")
    assert ready_made(tool).ready(1)(bench, grey, pair).note == ""
    write_noise(tool / "grey.png", 32, 32, 9)
    assert "scored on the mean of its channels" in ready_made(tool).ready(1)(bench, grey, pair).note


def test_ready_made_pictures_with_names_that_are_no_text_have_a_hash(tmp_path: Path) -> None:
    name = "\udcff"
    (tmp_path / f"{name}.png").write_bytes(b"a picture")
    bench = BenchmarkSet("set", 4, (Item(name, tmp_path / f"{name}.png"),))
    method = ReadyMade("tool", tmp_path)
    assert method.hash([bench]) != method.hash([])


def test_the_hash_of_ready_made_pictures_is_of_those_in_use(
    bench: BenchmarkSet, tmp_path: Path, write_noise: WriteNoise
) -> None:
    tool = tmp_path / "tool"
    write_noise(tool / "colour.png", 32, 40, 9)
    before = ready_made(tool).hash([bench])
    write_noise(tool / "unused.png", 32, 40, 9)
    assert ready_made(tool).hash([bench]) == before
    write_noise(tool / "colour.png", 32, 40, 10)
    assert ready_made(tool).hash([bench]) != before
