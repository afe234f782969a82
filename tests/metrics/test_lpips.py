"""LPIPS and the VGG distance: structure and arithmetic against networks built of torch's modules; where weights come from."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from superfine.errors import UserError
from superfine.metrics import features, lpips, vgg_distance
from superfine.metrics.weights import BACKBONES, LINEAR
from superfine.networks.features import load_features
from superfine.pretrained import Published

NETS = ("alex", "vgg", "squeeze")
Picture = NDArray[np.float32]


class FireModule(nn.Module):
    def __init__(self, inputs: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x).relu()
        return torch.cat([self.expand1x1(x).relu(), self.expand3x3(x).relu()], 1)


def alexnet() -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2)),
    )


def vgg16() -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = 3
    for outputs, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            layers += [nn.Conv2d(channels, outputs, 3, padding=1), nn.ReLU()]
            channels = outputs
        layers.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*layers)


def squeezenet() -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv2d(3, 64, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True)),
        *(FireModule(64, 16, 64), FireModule(128, 16, 64), nn.MaxPool2d(3, 2, ceil_mode=True)),
        *(FireModule(128, 32, 128), FireModule(256, 32, 128), nn.MaxPool2d(3, 2, ceil_mode=True)),
        *(FireModule(256, 48, 192), FireModule(384, 48, 192), FireModule(384, 64, 256), FireModule(512, 64, 256)),
    )


# The network, and behind which of its layers LPIPS looks.
MODULES: dict[str, tuple[Callable[[], nn.Sequential], tuple[int, ...]]] = {
    "alex": (alexnet, (1, 4, 7, 9, 11)),
    "vgg": (vgg16, (3, 8, 15, 22, 29)),
    "squeeze": (squeezenet, (1, 4, 7, 9, 10, 11, 12)),
}


class Weights:
    """Random weights of one network, in the files that the published ones come in."""

    def __init__(self, net: str, folder: Path) -> None:
        torch.manual_seed(NETS.index(net))
        build, self.taps = MODULES[net]
        self.layers, self.folder = build(), folder
        backbone = {f"features.{name}": value for name, value in self.layers.state_dict().items()}
        torch.save({**backbone, "classifier.1.weight": torch.zeros(2)}, folder / BACKBONES[net].name)
        self.linear = [torch.rand(1, count, 1, 1) for count in features.channels(net)]
        tables = {f"lin{i}.model.1.weight": weight for i, weight in enumerate(self.linear)}
        torch.save(tables, folder / LINEAR[net].name)

    @torch.no_grad()
    def distance(self, a: Picture, b: Picture) -> float:
        """LPIPS as its authors write it, place by place."""
        shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
        x = torch.stack([(torch.from_numpy(p) * 2 - 1 - shift) / scale for p in (a, b)]).permute(0, 3, 1, 2)
        total, wanted = 0.0, iter(self.linear)
        for place, layer in enumerate(self.layers[: self.taps[-1] + 1]):
            x = layer(x)
            if place in self.taps:
                first, second = (each.double().flatten(1).T.numpy() for each in x)
                weight = next(wanted).flatten().double().numpy()
                unit = [each / np.linalg.norm(each, axis=1, keepdims=True).clip(1e-10) for each in (first, second)]
                total += float(np.mean((unit[0] - unit[1]) ** 2 @ weight))
        return total


@pytest.fixture(scope="module", params=NETS)
def random_weights(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Weights]:
    return request.param, Weights(request.param, tmp_path_factory.mktemp(request.param))


def two_pictures(height: int, width: int) -> tuple[Picture, Picture]:
    rng = np.random.default_rng(height)
    a = rng.random((height, width, 3)).astype(np.float32)
    return a, (a + rng.normal(0, 0.2, a.shape)).clip(0, 1).astype(np.float32)


@pytest.mark.parametrize(("height", "width"), [(44, 44), (42, 61)])
def test_lpips(random_weights: tuple[str, Weights], height: int, width: int) -> None:
    net, weights = random_weights
    a, b = two_pictures(height, width)
    value = lpips(a, b, net=net, crop=3, weights=weights.folder)
    assert value == pytest.approx(weights.distance(a[3:-3, 3:-3], b[3:-3, 3:-3]), rel=1e-4)
    assert lpips(b, a, net=net, crop=3, weights=weights.folder) == pytest.approx(value, rel=1e-6)
    assert lpips(a, a, net=net, crop=3, weights=weights.folder) == 0.0


def test_the_smallest_picture(random_weights: tuple[str, Weights]) -> None:
    net, weights = random_weights
    side = features.least(net)
    a, b = two_pictures(side, side + 5)
    assert lpips(a, b, net=net, crop=0, weights=weights.folder) > 0
    with pytest.raises(UserError, match=rf"inside its border: smaller than the {side}×{side} that {net} needs"):
        lpips(a[1:], b[1:], net=net, crop=0, weights=weights.folder)
    with torch.no_grad(), pytest.raises(RuntimeError):
        weights.layers[: weights.taps[-1] + 1](torch.zeros(1, 3, side - 1, side))


def test_safetensors_hold_the_same(tmp_path: Path) -> None:
    weights = Weights("squeeze", tmp_path)
    a, b = two_pictures(40, 40)
    value = lpips(a, b, net="squeeze", crop=0, weights=tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    for published in (BACKBONES["squeeze"], LINEAR["squeeze"]):
        tensors = torch.load(weights.folder / published.name, weights_only=True)
        save_file(tensors, (other / published.name).with_suffix(".safetensors"))
    assert lpips(a, b, net="squeeze", crop=0, weights=other) == value


def test_refuses_weights_that_are_missing_or_wrong(tmp_path: Path) -> None:
    a, b = two_pictures(40, 40)
    with pytest.raises(UserError, match=r"has no backbone for alex; place alexnet-owt-7be5be79\.pth or alexnet-owt-"):
        lpips(a, b, net="alex", crop=0, weights=tmp_path)
    Weights("squeeze", tmp_path)
    (tmp_path / BACKBONES["squeeze"].name).rename(tmp_path / BACKBONES["alex"].name)
    with pytest.raises(UserError, match="has no LPIPS weights for alex"):
        lpips(a, b, net="alex", crop=0, weights=tmp_path)
    (tmp_path / LINEAR["squeeze"].name).rename(tmp_path / LINEAR["alex"].name)
    with pytest.raises(UserError, match=r"not LPIPS weights for alex \(lin1\.model\.1\.weight has the shape"):
        lpips(a, b, net="alex", crop=0, weights=tmp_path)
    with pytest.raises(ValueError, match="unknown network 'resnet'"):
        lpips(a, b, net="resnet", crop=0)  # type: ignore[arg-type]


def test_refuses_files_that_are_no_weights(tmp_path: Path) -> None:
    Weights("alex", tmp_path)
    file = tmp_path / BACKBONES["alex"].name
    with pytest.raises(UserError, match=r"not weights of vgg19 \(features\.0\.weight has the shape"):
        features.read_backbone("vgg19", file)
    for content in (b"", b"PK\x03\x04", file.read_bytes()[:5000]):
        file.write_bytes(content)
        with pytest.raises(UserError, match="damaged, or not a file of weights"):
            features.read_backbone("alex", file)
    torch.save({"features": torch.zeros(30)}, file, _use_new_zipfile_serialization=False)
    whole = file.read_bytes()
    for length in (1, 30, 120, 300, len(whole) - 100):
        file.write_bytes(whole[:length])
        with pytest.raises(UserError, match="damaged, or not a file of weights"):
            features.read_backbone("alex", file)
    torch.save([torch.zeros(3)], file)
    with pytest.raises(UserError, match="holds no tensors by name"):
        features.read_backbone("alex", file)
    torch.save({"features": print}, file)  # running code is what it would take to read this
    with pytest.raises(UserError, match="damaged, or not a file of weights"):
        features.read_backbone("alex", file)
    with pytest.raises(UserError, match="No such file"):
        features.read_backbone("alex", tmp_path / "missing.safetensors")


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no torch hub, and no connection."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setattr("superfine.download.WAIT", 0.0)
    return tmp_path / "cache" / "superfine"


def test_offline_it_says_what_to_place_where(own_cache: Path) -> None:
    a, b = two_pictures(40, 40)
    with pytest.raises(UserError) as caught:
        lpips(a, b, net="alex", crop=0)
    message = str(caught.value)
    assert message.endswith(
        f"place it at {own_cache / 'alexnet-owt-7be5be79.pth'} "
        "(SHA-256 7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02)"
    )
    assert "\n" not in message
    with pytest.raises(UserError, match=r"place it at .*vgg19-dcbb9e9d\.pth"):
        vgg_distance(a, b, crop=0)


def publish(monkeypatch: pytest.MonkeyPatch, table: dict[str, Published], net: str, file: Path) -> None:
    """Have ``file`` be the one that is published."""
    content = file.read_bytes()
    new = Published(table[net].name, table[net].url, sha256(content).hexdigest(), len(content))
    monkeypatch.setitem(table, net, new)


def test_files_of_torch_hub_and_of_the_package_lpips_are_found(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, package = tmp_path / "torch" / "hub" / "checkpoints", tmp_path / "site" / "lpips"
    hub.mkdir(parents=True)
    (package / "weights" / "v0.1").mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('it imports torchvision')")
    monkeypatch.syspath_prepend(package.parent)
    weights = Weights("squeeze", hub)
    (hub / LINEAR["squeeze"].name).rename(package / "weights" / "v0.1" / "squeeze.pth")
    a, b = two_pictures(40, 40)
    features._load.cache_clear()
    with pytest.raises(UserError, match=r"squeezenet1_1-b8a52dc0\.pth: is there, but is not the file that is wanted"):
        lpips(a, b, net="squeeze", crop=0)
    publish(monkeypatch, BACKBONES, "squeeze", hub / BACKBONES["squeeze"].name)
    publish(monkeypatch, LINEAR, "squeeze", package / "weights" / "v0.1" / "squeeze.pth")
    assert lpips(a, b, net="squeeze", crop=0) == pytest.approx(weights.distance(a, b), rel=1e-4)
    features._load.cache_clear()
    # What is in our own cache comes first.
    own_cache.mkdir(parents=True)
    for file, name in (
        (hub / BACKBONES["squeeze"].name, BACKBONES["squeeze"].name),
        (package / "weights" / "v0.1" / "squeeze.pth", LINEAR["squeeze"].name),
    ):
        file.rename(own_cache / name)
    assert lpips(a, b, net="squeeze", crop=0) == pytest.approx(weights.distance(a, b), rel=1e-4)
    features._load.cache_clear()


def test_vgg_distance(shared: Path) -> None:
    file = shared / "data" / "weights" / "vgg19_conv3_1.safetensors"
    oracle = load_features("vgg19", ["conv3_1"], before_activation=True, weights=file)
    a, b = two_pictures(48, 60)
    inner = [torch.from_numpy(picture[4:-4, 4:-4].copy()).permute(2, 0, 1)[None] for picture in (a, b)]
    first, second = (oracle(picture)["conv3_1"][0].flatten(1).double().numpy() for picture in inner)
    unit = [each / np.sqrt((each**2).sum(0)) for each in (first, second)]
    expected = np.abs(unit[0] - unit[1]).sum(0).mean()
    value = vgg_distance(a, b, crop=4, weights=file)
    assert value == pytest.approx(expected, rel=1e-4)
    assert vgg_distance(b, a, crop=4, weights=file) == pytest.approx(value, rel=1e-6)
    assert vgg_distance(a, a, crop=4, weights=file) == 0.0
    with pytest.raises(ValueError, match="different shapes"):
        vgg_distance(a, b[1:], crop=4, weights=file)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_here(shared: Path, device: str) -> None:
    if torch.get_device_module(device).is_available():
        pytest.skip(f"this machine has {device}")
    file = shared / "data" / "weights" / "vgg19_conv3_1.safetensors"
    with pytest.raises(UserError, match=f"device {device}: torch cannot use it here; use `cpu`"):
        features.load("vgg19", file, device)


def test_float32_on_a_gpu_is_not_tf32(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    features._load.cache_clear()
    features.load("vgg19", shared / "data" / "weights" / "vgg19_conv3_1.safetensors", "cpu")
    assert not torch.backends.cudnn.allow_tf32
