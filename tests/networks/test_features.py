"""VGG features: layers, normalisation, gradients, layouts, and where weights come from."""

import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor

from superfine import download
from superfine.errors import UserError
from superfine.images import read
from superfine.networks import features as module
from superfine.networks.features import BACKBONES, Features, layer_name, load_features
from superfine.pretrained import VGG19, Published

State = dict[str, Tensor]
TORCHVISION = {"conv1_1": 0, "conv1_2": 2, "conv2_1": 5, "conv2_2": 7, "conv3_1": 10}


@pytest.fixture(scope="module")
def vgg(shared: Path) -> Path:
    return shared / "data" / "weights" / "vgg19_conv3_1.safetensors"


@pytest.fixture(scope="module")
def state(vgg: Path) -> State:
    return safetensors.torch.load_file(vgg)


@pytest.fixture(scope="module")
def noise() -> State:
    """Weights up to conv2_2, of no use but to tell one from another."""
    generator = torch.Generator().manual_seed(0)
    shapes = {"conv1_1": (64, 3), "conv1_2": (64, 64), "conv2_1": (128, 64), "conv2_2": (128, 128)}
    weights: State = {}
    for name, shape in shapes.items():
        weights[f"{name}.weight"] = torch.randn((*shape, 3, 3), generator=generator) / (9 * shape[1]) ** 0.5
        weights[f"{name}.bias"] = torch.randn(shape[:1], generator=generator)
    return weights


def torchvision(state: State) -> State:
    parts = [(*key.split("."), value) for key, value in state.items()]
    return {f"features.{TORCHVISION[name]}.{part}": value for name, part, value in parts}


def test_the_networks() -> None:
    # Simonyan and Zisserman 2015, Table 1: D has 13 convolutions, E 16.
    assert [len(BACKBONES[name].names()) for name in ("vgg16", "vgg19", "minc")] == [13, 16, 13]
    names = BACKBONES["vgg19"].names()
    # torchvision's VGG19: conv5_4 is features.34, conv3_1 is features.10.
    layouts = module._layouts(BACKBONES["vgg19"])
    assert (layouts[1]["conv5_4"], layouts[1]["conv3_1"]) == ("features.34", "features.10")
    assert module._layouts(BACKBONES["vgg16"])[1]["conv5_3"] == "features.28"
    assert layouts[2][names[-1]] == "conv54"


@pytest.mark.parametrize(
    ("asked", "name"), [("22", "conv2_2"), ("54", "conv5_4"), ("conv3_1", "conv3_1"), ("1_2", "conv1_2")]
)
def test_layers_by_the_papers_names(asked: str, name: str) -> None:
    assert layer_name("vgg19", asked) == name


@pytest.mark.parametrize(
    ("backbone", "layer"), [("vgg19", "23"), ("vgg19", "55"), ("vgg16", "54"), ("vgg19", "relu2_2")]
)
def test_layers_that_there_are_not(backbone: str, layer: str) -> None:
    with pytest.raises(UserError, match=f"layer '{layer}': {backbone} has none of this name; give 22"):
        layer_name(backbone, layer)


def test_features_by_hand(vgg: Path, state: State) -> None:
    x = torch.rand(2, 3, 20, 18)
    normed = (x - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[
        :, None, None
    ]

    def conv(name: str, y: Tensor) -> Tensor:
        return F.conv2d(y, state[f"{name}.weight"], state[f"{name}.bias"], padding=1)

    first = F.max_pool2d(F.relu(conv("conv1_2", F.relu(conv("conv1_1", normed)))), 2)
    before = conv("conv2_2", F.relu(conv("conv2_1", first)))
    late = load_features("vgg19", ["22", "12"], before_activation=True, weights=vgg)(x)
    assert list(late) == ["conv1_2", "conv2_2"]
    assert late["conv2_2"].shape == (2, 128, 10, 9)
    torch.testing.assert_close(late["conv2_2"], before)
    after = load_features("vgg19", ["22"], before_activation=False, weights=vgg)(x)
    torch.testing.assert_close(after["conv2_2"], F.relu(before))
    assert late["conv2_2"].min() < 0


def test_it_stops_at_the_last_layer_asked_for(vgg: Path) -> None:
    assert [
        name for name, _ in load_features("vgg19", ["12"], before_activation=True, weights=vgg).named_children()
    ] == [
        "conv1_1",
        "conv1_2",
    ]
    assert len(list(load_features("vgg19", ["31", "22"], before_activation=True, weights=vgg).children())) == 5


def test_real_weights_on_a_photograph(vgg: Path, shared: Path) -> None:
    """The file's activations have mean 1 per channel over many photographs: a wrong normalisation would show."""
    picture = read(next((shared / "data" / "benchmarks" / "Set5" / "HR").glob("*"))).pixels[:192, :192]
    x = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None]
    means = {
        k: v.mean().item()
        for k, v in load_features("vgg19", ["12", "22"], before_activation=False, weights=vgg)(x).items()
    }
    assert all(0.5 < mean < 2 for mean in means.values()), means


def test_the_weights_are_frozen_and_the_picture_is_not(vgg: Path) -> None:
    network = load_features("vgg19", ["22"], before_activation=True, weights=vgg)
    assert not network.training
    x = torch.rand(1, 3, 16, 16, requires_grad=True)
    network(x)["conv2_2"].square().mean().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0
    assert all(not p.requires_grad and p.grad is None for p in network.parameters())
    assert not any("mean" in key or "std" in key for key in network.state_dict())


def test_every_layout_gives_the_same(noise: State, tmp_path: Path) -> None:
    safetensors.torch.save_file(noise, tmp_path / "own.safetensors")
    extra = {"features.10.weight": torch.rand(256, 128, 3, 3), "classifier.0.weight": torch.rand(2, 2)}
    torch.save(torchvision(noise) | extra, tmp_path / "torchvision.pth")
    torch.save({k.replace("_", ""): v.half() for k, v in noise.items()}, tmp_path / "minc.pth")
    x = torch.rand(1, 3, 12, 12)
    load = partial(load_features, layers=["22"], before_activation=True)
    own = load("vgg16", weights=tmp_path / "own.safetensors")(x)["conv2_2"]
    torch.testing.assert_close(load("vgg16", weights=tmp_path / "torchvision.pth")(x)["conv2_2"], own)
    torch.testing.assert_close(load("vgg19", weights=tmp_path / "torchvision.pth")(x)["conv2_2"], own)
    rounded = load("vgg16", weights=tmp_path / "minc.pth")(x)["conv2_2"]
    torch.testing.assert_close(rounded, own, atol=2e-2, rtol=1e-2)
    assert rounded.dtype == torch.float32


def test_minc_takes_pixels_as_they_are(noise: State, tmp_path: Path) -> None:
    safetensors.torch.save_file(noise, tmp_path / "w.safetensors")
    x = torch.rand(1, 3, 8, 8)
    result = load_features("minc", ["11"], before_activation=True, weights=tmp_path / "w.safetensors")(x)["conv1_1"]
    torch.testing.assert_close(result, F.conv2d(x, noise["conv1_1.weight"], noise["conv1_1.bias"], padding=1))


def test_without_weights_there_are_no_features(noise: State) -> None:
    with pytest.raises(RuntimeError, match="Missing key"):
        Features("vgg19", ["31"], noise, before_activation=True)


def test_files_that_are_refused(vgg: Path, noise: State, tmp_path: Path) -> None:
    def refused(name: str, layer: str = "22") -> str:
        with pytest.raises(UserError) as caught:
            load_features("vgg19", [layer], before_activation=True, weights=tmp_path / name)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "missing.pth: No such file" in refused("missing.pth")
    (tmp_path / "text.pth").write_text("not weights")
    (tmp_path / "empty.safetensors").touch()
    torch.save(torchvision(noise), tmp_path / "cut.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "cut.pth").read_bytes()[:50_000])
    for name in ("text.pth", "empty.safetensors", "cut.pth"):
        assert f"{name}: damaged, or not a file of weights" in refused(name)
    torch.save([1, 2], tmp_path / "list.pth")
    assert "holds no tensors by name" in refused("list.pth")
    torch.save({"body.0.weight": torch.rand(3, 3)}, tmp_path / "other.pth")
    assert "not weights of vgg19 (no conv1_1 in it)" in refused("other.pth")
    torch.save(torchvision(noise) | {"features.7.weight": torch.rand(128, 64, 3, 3)}, tmp_path / "shape.pth")
    assert "conv2_2.weight has the shape (128, 64, 3, 3), vgg19's is (128, 128, 3, 3)" in refused("shape.pth")
    (tmp_path / "short.safetensors").write_bytes(vgg.read_bytes())
    message = refused("short.safetensors", "54")
    assert message.endswith("has no conv3_2, which conv5_4 needs; give a file of vgg19 with all its layers")
    with pytest.raises(UserError, match="features vgg19: no layer is named"):
        load_features("vgg19", [], before_activation=True)


@pytest.mark.parametrize("data", [b"", b".", b"j\x13", b"<!DOCTYPE html>"])
def test_whatever_the_bytes_are_it_is_one_line(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "bytes.pth").write_bytes(data)
    with pytest.raises(UserError, match=r"bytes\.pth: damaged, or not a file of weights"):
        load_features("vgg19", ["11"], before_activation=True, weights=tmp_path / "bytes.pth")


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"features.0.weight": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(UserError, match="damaged, or not a file of weights"):
        load_features("vgg19", ["11"], before_activation=True, weights=tmp_path / "evil.pth")
    assert not (tmp_path / "ran").exists()


@pytest.fixture
def served(noise: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, list[str]]]:
    """A server of VGG weights on this machine, in place of the published ones, an empty cache, and what it is asked."""
    monkeypatch.setattr(download, "WAIT", 0.0)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "server").mkdir()
    file = tmp_path / "server" / "vgg19-test.pth"
    torch.save(torchvision(noise), file)
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_request(self, *_: object) -> None:
            asked.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(file.parent))) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{http.server_address[1]}/{file.name}"
        published = Published(file.name, url, sha256(file.read_bytes()).hexdigest(), file.stat().st_size)
        monkeypatch.setitem(BACKBONES, "vgg19", replace(BACKBONES["vgg19"], published=published))
        yield file, asked
        http.shutdown()
        thread.join()


def test_published_weights_are_fetched_once(
    served: tuple[Path, list[str]], noise: State, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "superfine")
    _, asked = served
    for _ in range(2):
        network = load_features("vgg19", ["22"], before_activation=True)
        torch.testing.assert_close(network.get_parameter("conv2_2.weight"), noise["conv2_2.weight"], check_stride=False)
    assert asked == ["/vgg19-test.pth"]
    assert [p.name for p in (tmp_path / "cache" / "superfine").iterdir()] == ["vgg19-test.pth"]
    (said,) = caplog.messages
    assert re.fullmatch(r"fetching http://\S+/vgg19-test\.pth, \d+ MB, to .*/cache/superfine/vgg19-test\.pth", said)


def test_other_weights_than_the_published_ones_are_refused(served: tuple[Path, list[str]]) -> None:
    file, _ = served
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(UserError, match=r"gave another file than expected \(SHA-256"):
        load_features("vgg19", ["22"], before_activation=True)


def test_without_a_connection_it_says_what_to_place_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "WAIT", 0.0)
    monkeypatch.delenv("TORCH_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    published = Published(VGG19.name, f"http://127.0.0.1:1/{VGG19.name}", "ab" * 32, 7)
    monkeypatch.setitem(BACKBONES, "vgg19", replace(BACKBONES["vgg19"], published=published))
    with pytest.raises(UserError) as caught:
        load_features("vgg19", ["54"], before_activation=True)
    assert str(caught.value) == (
        "http://127.0.0.1:1/vgg19-dcbb9e9d.pth: Connection refused; give a file of your own, or fetch it elsewhere and place "
        f"it at {tmp_path}/superfine/vgg19-dcbb9e9d.pth (SHA-256 {'ab' * 32})"
    )


def test_minc_has_no_published_weights() -> None:
    with pytest.raises(UserError, match="features minc: are no longer published; give your own file"):
        load_features("minc", ["53"], before_activation=True)
    with pytest.raises(UserError, match="features 'vgg11': unknown; choose one of vgg19, vgg16, minc"):
        load_features("vgg11", ["22"], before_activation=True)


def test_weights_in_torch_hub_are_not_fetched_again(
    served: tuple[Path, list[str]], noise: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, asked = served
    hub = tmp_path / "torch" / "hub" / "checkpoints"
    hub.mkdir(parents=True)
    file.rename(hub / file.name)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    network = load_features("vgg19", ["22"], before_activation=True)
    torch.testing.assert_close(network.get_parameter("conv2_2.weight"), noise["conv2_2.weight"], check_stride=False)
    assert not asked
