"""Third parties' checkpoints: the model folder computes what their network computes.

The reference networks are written here in each project's layout, from scratch, and know nothing of superfine's.
"""

import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from superfine import networks
from superfine.checkpoints.foreign import receptive_radius
from superfine.checkpoints.importing import import_checkpoint
from superfine.errors import UserError
from superfine.modelfile import ModelFolder
from superfine.openvino_core import core

State = dict[str, Tensor]


def conv(inputs: int, outputs: int, kernel: int = 3, *, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=bias)


class SRVGG(nn.Module):
    def __init__(self, width: int = 6, convs: int = 3, scale: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv(3, width), nn.PReLU(width)]
        for _ in range(convs):
            layers += [conv(width, width), nn.PReLU(width)]
        self.body = nn.ModuleList([*layers, conv(width, 3 * scale**2)])
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for layer in self.body:
            y = layer(y)
        repeated = x.repeat_interleave(self.scale, 2).repeat_interleave(self.scale, 3)
        return F.pixel_shuffle(y, self.scale) + repeated


class Dense(nn.Module):
    """With ``wrapped``, each convolution is the first of a sequence, as in the old layout."""

    def __init__(self, width: int, growth: int, wrapped: bool) -> None:
        super().__init__()
        for c in range(5):
            layer = conv(width + c * growth, growth if c < 4 else width)
            self.add_module(f"conv{c + 1}", nn.Sequential(layer) if wrapped else layer)

    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for c in range(4):
            maps.append(F.leaky_relu(self.get_submodule(f"conv{c + 1}")(torch.cat(maps, 1)), 0.2))
        return self.conv5(torch.cat(maps, 1)) * 0.2 + x


class Triple(nn.Module):
    def __init__(self, prefix: str, width: int, growth: int, wrapped: bool = False) -> None:
        super().__init__()
        for d in (1, 2, 3):
            self.add_module(f"{prefix}{d}", Dense(width, growth, wrapped))

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for dense in self.children():
            y = dense(y)
        return y * 0.2 + x


class Shortcut(nn.Module):
    def __init__(self, sub: nn.Module) -> None:
        super().__init__()
        self.sub = sub

    def forward(self, x: Tensor) -> Tensor:
        return x + self.sub(x)


def old_esrgan(width: int = 6, growth: int = 4, blocks: int = 2, doublings: int = 2) -> nn.Module:
    """The whole network is one sequence: numbers instead of names."""
    body = nn.Sequential(*(Triple("RDB", width, growth, wrapped=True) for _ in range(blocks)), conv(width, width))
    layers: list[nn.Module] = [conv(3, width), Shortcut(body)]
    for _ in range(doublings):
        layers += [nn.Upsample(scale_factor=2), conv(width, width), nn.LeakyReLU(0.2)]
    layers += [conv(width, width), nn.LeakyReLU(0.2), conv(width, 3)]
    return nn.ModuleDict({"model": nn.Sequential(*layers)})


class ESRGAN(nn.Module):
    NAMES = ("RRDB_trunk", "RDB", "trunk_conv", "upconv1", "upconv2", "HRconv")

    def __init__(self, width: int = 6, growth: int = 4, blocks: int = 2, cell: int = 1) -> None:
        super().__init__()
        self.cell = cell
        trunk, dense, after, *rest = self.NAMES
        self.conv_first = conv(3 * cell**2, width)
        self.add_module(trunk, nn.Sequential(*(Triple(dense, width, growth) for _ in range(blocks))))
        for name in (after, *rest):
            self.add_module(name, conv(width, width))
        self.conv_last = conv(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        trunk, after, up1, up2, high = (self.get_submodule(self.NAMES[i]) for i in (0, 2, 3, 4, 5))
        b, c, h, w = x.shape
        cells = x.reshape(b, c, h // self.cell, self.cell, w // self.cell, self.cell)
        y = self.conv_first(cells.permute(0, 1, 3, 5, 2, 4).reshape(b, -1, h // self.cell, w // self.cell))
        y = y + after(trunk(y))
        for up in (up1, up2):
            y = F.leaky_relu(up(y.repeat_interleave(2, 2).repeat_interleave(2, 3)), 0.2)
        return self.conv_last(F.leaky_relu(high(y), 0.2))


class BasicSR(ESRGAN):
    NAMES = ("body", "rdb", "conv_body", "conv_up1", "conv_up2", "conv_hr")


class Lornatang(nn.Module):
    """One slope for all channels; the picture is clamped."""

    def __init__(self, names: tuple[str, str, str], width: int = 6, blocks: int = 2, doublings: int = 2) -> None:
        super().__init__()
        self.names = names

        def block() -> nn.Module:
            rcb = nn.Sequential(
                *(conv(width, width, bias=False), nn.BatchNorm2d(width), nn.PReLU()),
                *(conv(width, width, bias=False), nn.BatchNorm2d(width)),
            )
            return nn.ModuleDict({"rcb": rcb})

        def up() -> nn.Module:
            return nn.ModuleDict(
                {"upsample_block": nn.Sequential(conv(width, 4 * width), nn.PixelShuffle(2), nn.PReLU())}
            )

        self.add_module(names[0], nn.Sequential(conv(3, width, 9), nn.PReLU()))
        self.trunk = nn.ModuleList(block() for _ in range(blocks))
        self.add_module(names[1], nn.Sequential(conv(width, width, bias=False), nn.BatchNorm2d(width)))
        self.upsampling = nn.ModuleList(up() for _ in range(doublings))
        self.add_module(names[2], conv(width, 3, 9))

    def forward(self, x: Tensor) -> Tensor:
        first, second, third = map(self.get_submodule, self.names)
        head = first(x)
        y = head
        for block in self.trunk:
            y = y + block["rcb"](y)
        y = head + second(y)
        for up in self.upsampling:
            y = up["upsample_block"](y)
        return third(y).clamp(0, 1)


class Twtygqyy(nn.Module):
    """Leaky ReLU, and no biases."""

    def __init__(self, width: int = 6, blocks: int = 2) -> None:
        super().__init__()
        self.conv_input = conv(3, width, 9, bias=False)
        self.residual = nn.Sequential()
        for _ in range(blocks):
            names = {"conv1": conv(width, width, bias=False), "bn1": nn.BatchNorm2d(width)}
            names |= {"conv2": conv(width, width, bias=False), "bn2": nn.BatchNorm2d(width)}
            self.residual.append(nn.ModuleDict(names))
        self.conv_mid = conv(width, width, bias=False)
        self.bn_mid = nn.BatchNorm2d(width)
        up = (conv(width, 4 * width, bias=False), nn.PixelShuffle(2), nn.LeakyReLU(0.2))
        more = (conv(width, 4 * width, bias=False), nn.PixelShuffle(2), nn.LeakyReLU(0.2))
        self.upscale4x = nn.Sequential(*up, *more)
        self.conv_output = conv(width, 3, 9, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        head = F.leaky_relu(self.conv_input(x), 0.2)
        y = head
        for b in self.residual:
            y = y + b["bn2"](b["conv2"](F.leaky_relu(b["bn1"](b["conv1"](y)), 0.2)))
        return self.conv_output(self.upscale4x(head + self.bn_mid(self.conv_mid(y))))


def reference(make: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """With random weights and statistics, all of them float16's, so that the folder's rounding changes little."""
    torch.manual_seed(seed)
    network = make()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.1)
        if isinstance(module, nn.PReLU):
            nn.init.uniform_(module.weight, 0.05, 0.4)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(tensor.half().float())
    return network.eval()


RRDB = {"channels": 6, "growth": 4, "blocks": 2}
SRRESNET = {"channels": 6, "blocks": 2}
LAYOUTS: dict[str, tuple[Callable[[], nn.Module], str, dict[str, Any], float]] = {
    "compact": (SRVGG, "compact", {"channels": 6, "convs": 3, "scale": 3}, 1e-4),
    "RRDB, old": (old_esrgan, "rrdb", RRDB | {"scale": 4}, 1e-4),
    "RRDB, new": (ESRGAN, "rrdb", RRDB | {"scale": 4}, 1e-4),
    "RRDB, BasicSR": (BasicSR, "rrdb", RRDB | {"scale": 4}, 1e-4),
    "RRDB, BasicSR x2": (lambda: BasicSR(cell=2), "rrdb", RRDB | {"scale": 2}, 1e-4),
    "Lornatang": (lambda: Lornatang(("conv1", "conv2", "conv3")), "srresnet", SRRESNET | {"scale": 4}, 4e-3),
    "Lornatang x8": (
        lambda: Lornatang(("conv1", "conv2", "conv3"), doublings=3),
        "srresnet",
        SRRESNET | {"scale": 8},
        4e-3,
    ),
    "Lornatang, early": (
        lambda: Lornatang(("conv_block1", "conv_block2", "conv_block3"), doublings=1),
        "srresnet",
        SRRESNET | {"scale": 2},
        4e-3,
    ),
    "twtygqyy": (Twtygqyy, "srresnet", SRRESNET | {"scale": 4}, 4e-3),
}


def save(state: object, path: Path) -> Path:
    torch.save(state, path)
    return path


def forward(network: nn.Module, x: NDArray[np.float32]) -> NDArray[np.float32]:
    run = network["model"] if isinstance(network, nn.ModuleDict) else network
    with torch.no_grad():
        return run(torch.from_numpy(x)).numpy()


def run_folder(model: ModelFolder, directory: Path, x: NDArray[np.float32]) -> NDArray[np.float32]:
    graph = model.materialise(directory)
    compiled = core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.array(compiled(x)[0])


@pytest.mark.parametrize(("make", "architecture", "config", "tolerance"), LAYOUTS.values(), ids=LAYOUTS.keys())
def test_the_folder_computes_what_the_reference_does(
    tmp_path: Path, make: Callable[[], nn.Module], architecture: str, config: dict[str, Any], tolerance: float
) -> None:
    network = reference(make)
    model = import_checkpoint(save(network.state_dict(), tmp_path / "theirs.pth"), tmp_path / "model")
    assert model.card.architecture == architecture
    assert config.items() <= model.card.config.items()
    x = np.random.default_rng(1).random((1, 3, 14, 18), np.float32)
    expected, ours = forward(network, x), run_folder(model, tmp_path / "out", x)
    assert expected.std() > 0.01
    if "Lornatang" in str(make) or isinstance(network, Lornatang):
        ours = ours.clip(0, 1)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=tolerance)


def test_the_card_says_where_the_weights_come_from(tmp_path: Path) -> None:
    file = save({"params": reference(SRVGG).state_dict()}, tmp_path / "theirs.pth")
    model = import_checkpoint(file, tmp_path / "mine", name="anime", description="sharp", licence="BSD-3-Clause")
    card, variant = model.card, model.card.variants["fidelity"]
    assert (card.name, card.licence, variant.description) == ("anime", "BSD-3-Clause", "sharp")
    assert variant.training["imported"]["file"] == "theirs.pth"
    assert variant.training["imported"]["layout"] == "compact (SRVGGNet)"
    assert len(variant.training["imported"]["sha256"]) == 64
    assert variant.training["openvino_differs_by"]["f32"] < 1e-4


def test_two_checkpoints_make_a_dial(tmp_path: Path) -> None:
    for seed, variant in ((0, "fidelity"), (1, "texture")):
        state = reference(SRVGG, seed).state_dict()
        model = import_checkpoint(save(state, tmp_path / "t.pth"), tmp_path / "model", variant=variant)
    assert list(model.card.variants) == ["fidelity", "texture"]
    expected = reference(SRVGG, 1).state_dict()["body.0.weight"].numpy()
    np.testing.assert_array_equal(model.dialled(1.0)["body.0.weight"], expected)
    other = save(reference(lambda: SRVGG(width=5)).state_dict(), tmp_path / "other.pth")
    with pytest.raises(UserError, match="holds compact with channels 6, this has 5"):
        import_checkpoint(other, tmp_path / "model", variant="texture")


def prefixed(state: State, prefix: str) -> State:
    return {prefix + key: tensor for key, tensor in state.items()}


WRAPPED: dict[str, Callable[[State], object]] = {
    **{key: lambda s, key=key: {"epoch": 3, key: s} for key in ("model_state_dict", "state_dict", "params_ema")},
    **{key: lambda s, key=key: {key: s} for key in ("params-ema", "params", "model", "net")},
    "nested": lambda s: {"model": {"state_dict": s, "lr": 0.1}},
    "module.": lambda s: prefixed(s, "module."),
    "netG.": lambda s: {"state_dict": prefixed(s, "netG.module.")},
    "the average goes first": lambda s: {"params": {k: v + 1 for k, v in s.items()}, "params_ema": s},
    "half precision": lambda s: {k: v.half() for k, v in s.items()},
    "double precision": lambda s: {k: v.double() for k, v in s.items()},
}


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED.keys())
def test_wrappers_and_prefixes(tmp_path: Path, wrap: Callable[[State], object]) -> None:
    state = reference(SRVGG).state_dict()
    model = import_checkpoint(save(wrap(state), tmp_path / "theirs.pth"), tmp_path / "model")
    weights = model.weights("fidelity")
    assert weights.keys() == state.keys()
    for key, tensor in state.items():
        np.testing.assert_array_equal(weights[key].astype(np.float32), tensor.numpy())


def test_safetensors_and_the_older_pytorch_file(tmp_path: Path) -> None:
    state = reference(SRVGG).state_dict()
    # Told apart by content: the names lie.
    safetensors.torch.save_file(state, tmp_path / "a.pth")
    torch.save(state, tmp_path / "b.safetensors", _use_new_zipfile_serialization=False)
    a, b = (import_checkpoint(tmp_path / name, tmp_path / name[0]) for name in ("a.pth", "b.safetensors"))
    assert a.card.files == b.card.files


class Trap:
    """What a hostile file does on loading."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def one_line(error: pytest.ExceptionInfo[UserError], file: Path) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert text.startswith(f"{file}: "), text
    assert "; " in text, "the way out is missing"
    return text


@pytest.mark.parametrize("old", [False, True])
def test_no_code_is_run(tmp_path: Path, old: bool) -> None:
    mark = tmp_path / "ran"
    file = tmp_path / "theirs.pth"
    state = {"state_dict": reference(SRVGG).state_dict(), "best": Trap(mark)}
    torch.save(state, file, _use_new_zipfile_serialization=not old)
    with pytest.raises(
        UserError, match=r"holds the Python object \w+\.mkdir, and loading that would run code"
    ) as error:
        import_checkpoint(file, tmp_path / "model")
    one_line(error, file)
    assert not mark.exists()
    assert not (tmp_path / "model").exists()


def without(state: State, key: str) -> State:
    return {k: v for k, v in state.items() if k != key}


def cut(path: Path, state: object, end: int = -100) -> Path:
    save(state, path)
    path.write_bytes(path.read_bytes()[:end])
    return path


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def safe(path: Path, state: State, end: int | None) -> Path:
    path.write_bytes(safetensors.torch.save(state)[:end])
    return path


def discriminator() -> State:
    """The layers of SRGAN's, as Lornatang names them."""
    layers = nn.ModuleDict({"features": nn.Sequential(conv(3, 4)), "classifier": nn.Sequential(nn.Linear(4, 1))})
    return layers.state_dict()


def tensors(*names: str) -> State:
    return {name: torch.ones(4, 3, 3, 3) for name in names}


SRVGG_STATE = reference(SRVGG).state_dict()
BAD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda p: p, "missing; give a file"),
    "empty": (lambda p: written(p, b""), "empty"),
    "a web page": (lambda p: written(p, b"\n<!DOCTYPE html>"), "a web page"),
    "text": (lambda p: written(p, b"hello world"), "not a file of weights"),
    "truncated": (lambda p: cut(p, SRVGG_STATE), "damaged, truncated"),
    "truncated safetensors": (lambda p: safe(p, SRVGG_STATE, -9), "damaged or truncated"),
    "only an optimiser": (
        lambda p: save({"epoch": 1, "optimizers": []}, p),
        "no network's tensors but epoch, optimizers",
    ),
    "a list": (lambda p: save([1, 2], p), "no network's tensors"),
    "no tensors": (lambda p: save({"state_dict": {}}, p), "no network's tensors"),
    "unknown": (lambda p: save(tensors("stem.weight", "x"), p), r"superfine does not know \(tensors stem.weight, x"),
    "a discriminator": (
        lambda p: save({"epoch": 4, "state_dict": discriminator(), "optimizer": {"lr": 0.1}}, p),
        "a discriminator or a classifier",
    ),
    "BasicSR's discriminator": (
        lambda p: save({"params": tensors("conv0.weight", "conv1.weight_orig", "conv1.weight_u")}, p),
        "a discriminator",
    ),
    "a missing tensor": (lambda p: save(without(SRVGG_STATE, "body.4.weight"), p), r"body\.4\.weight is missing"),
    "one tensor more": (lambda p: save(SRVGG_STATE | tensors("attn.weight"), p), r"attn\.weight is not in the network"),
    "a wrong shape": (
        lambda p: save(SRVGG_STATE | {"body.2.bias": torch.ones(5)}, p),
        r"body\.2\.bias has the shape \(5,\), the network's is \(6,\)",
    ),
    "no convolution": (lambda p: save(SRVGG_STATE | {"body.0.weight": torch.ones(6)}, p), "no convolution's"),
    "grey": (
        lambda p: save(SRVGG_STATE | {"body.8.weight": torch.ones(16, 6, 3, 3)}, p),
        r"body\.8\.\w+ has the shape",
    ),
    "exploded": (
        lambda p: save(SRVGG_STATE | {"body.0.bias": torch.full((6,), 1e5)}, p),
        r"body\.0\.bias holds values",
    ),
    "no number": (lambda p: save(SRVGG_STATE | {"body.0.bias": torch.full((6,), torch.nan)}, p), "not finite"),
    "old ESRGAN x8": (lambda p: save(old_esrgan(doublings=3).state_dict(), p), "RRDB, old ESRGAN, of another scale"),
    "old ESRGAN x2": (lambda p: save(old_esrgan(doublings=1).state_dict(), p), "RRDB, old ESRGAN, of another scale"),
    "RRDB x1": (lambda p: save(BasicSR(cell=4).state_dict(), p), "scale: 1 is none of RRDB's"),
    "leftthomas": (
        lambda p: save(tensors("block1.0.weight", "block2.conv1.weight", "block8.0.conv.weight"), p),
        "leftthomas/SRGAN; it ends with tanh",
    ),
    "instance norm": (
        lambda p: save(tensors("conv_input.weight", "residual.0.in1.weight"), p),
        "instance norm depends on the whole picture",
    ),
    "SRCNN": (
        lambda p: save(networks.build("srcnn", {"channels": 2, "mapped": 2}).state_dict(), p),
        "such as SRCNN's; the file does not say how many times",
    ),
    "MSRResNet": (
        lambda p: save(tensors("conv_first.weight", "body.0.conv1.weight", "upconv1.weight"), p),
        "MSRResNet",
    ),
    "leaky SRVGG": (
        lambda p: save({k: v for k, v in SRVGG_STATE.items() if v.dim() != 1 or k.endswith("bias")}, p),
        "fixed activations",
    ),
}


@pytest.mark.parametrize(("make", "words"), BAD.values(), ids=BAD.keys())
def test_files_that_are_refused(tmp_path: Path, make: Callable[[Path], Path], words: str) -> None:
    file = make(tmp_path / "theirs.pth")
    with pytest.raises(UserError, match=words) as error:
        import_checkpoint(file, tmp_path / "model")
    one_line(error, file)
    assert not (tmp_path / "model").exists()


def test_a_folder_and_a_torchscript_program_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a folder; give a file"):
        import_checkpoint(tmp_path, tmp_path / "model")
    file = tmp_path / "program.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.trace(conv(3, 3), torch.ones(1, 3, 4, 4)).save(file)
    with pytest.raises(UserError, match="a TorchScript program") as error:
        import_checkpoint(file, tmp_path / "model")
    one_line(error, file)


def test_unknown_layouts_ask_for_spandrel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spandrel", None)
    file = save(tensors("stem.weight", "x"), tmp_path / "theirs.pth")
    with pytest.raises(
        UserError, match=r'not know \(tensors stem\.weight, x.*pip install "superfine\[spandrel\]"'
    ) as error:
        import_checkpoint(file, tmp_path / "model")
    one_line(error, file)


class Strange(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.act, self.out, self.up = conv(3, 8, 5), nn.PReLU(8), conv(8, 12), nn.PixelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.out(self.act(self.stem(x))))


class Described:
    """What spandrel's loader returns, of which we use these names; spandrel itself needs torchvision."""

    def __init__(self, model: nn.Module, scale: int, prepare: Callable[[Tensor], Tensor]) -> None:
        self.model, self.scale, self.prepare = model.eval(), scale, prepare
        self.architecture = SimpleNamespace(id="Strange")
        self.input_channels = self.output_channels = 3

    def __call__(self, x: Tensor) -> Tensor:
        return self.model(self.prepare(x)).clamp(0, 1)


def stand_in(monkeypatch: pytest.MonkeyPatch, load: Callable[[State], Described]) -> None:
    loader = SimpleNamespace(load_from_state_dict=load)
    module = SimpleNamespace(ModelLoader=lambda device: loader, __spec__="of a package that is installed")
    monkeypatch.setitem(sys.modules, "spandrel", module)


def test_what_spandrel_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = reference(Strange)
    stand_in(monkeypatch, lambda state: Described(network, 2, lambda x: x))
    model = import_checkpoint(save(network.state_dict(), tmp_path / "theirs.pth"), tmp_path / "model")
    assert (model.card.architecture, model.card.scale, model.card.radius) == ("spandrel Strange", 2, 3)
    x = np.random.default_rng(1).random((1, 3, 9, 12), np.float32)
    np.testing.assert_allclose(run_folder(model, tmp_path / "out", x), forward(network, x), rtol=0, atol=1e-4)


def test_what_spandrel_knows_and_superfine_cannot_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Whole(Strange):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x - x.mean(dim=(2, 3), keepdim=True))

    class Saturated(Strange):
        def forward(self, x: Tensor) -> Tensor:
            return torch.tanh(1e3 * super().forward(x))

    class Odd(Strange):
        """Fails in its own way when it is traced, as spandrel's SPAN does."""

        def forward(self, x: Tensor) -> Tensor:
            if not isinstance(x, Tensor):
                raise AttributeError("no attribute '_modules'")
            return super().forward(x)

    class Cropped(Strange):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x)[..., 1:-1, 1:-1]

    def unknown(state: State) -> Described:
        raise RuntimeError("Unsupported\nmodel")

    cases: dict[str, Callable[[State], Described]] = {
        "neither superfine nor spandrel knows .*Unsupported model": unknown,
        "its pictures need preparation": lambda state: Described(reference(Strange), 2, lambda x: x * 2 - 1),
        "how far it looks cannot be found": lambda state: Described(reference(Saturated), 2, lambda x: x),
        "results are of another size": lambda state: Described(reference(Cropped), 2, lambda x: x),
        "no plain function": lambda state: Described(reference(Odd), 2, lambda x: x),
        "depends on the whole picture": lambda state: Described(reference(Whole), 2, lambda x: x),
    }
    file = save(tensors("stem.weight"), tmp_path / "theirs.pth")
    for words, load in cases.items():
        stand_in(monkeypatch, load)
        with pytest.raises(UserError, match=words) as error:
            import_checkpoint(file, tmp_path / "model")
        one_line(error, file)


@pytest.mark.parametrize("doublings", [0, 1, 3])
def test_rrdb_of_other_scales_is_left_to_spandrel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, doublings: int
) -> None:
    network = reference(lambda: old_esrgan(blocks=1, doublings=doublings))
    file = save(network.state_dict(), tmp_path / "theirs.pth")
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(UserError, match=r'pip install "superfine\[spandrel\]"') as error:
        import_checkpoint(file, tmp_path / "model")
    one_line(error, file)
    stand_in(monkeypatch, lambda state: Described(network["model"], 2**doublings, lambda x: x))
    model = import_checkpoint(file, tmp_path / "model")
    assert (model.card.architecture, model.card.scale) == ("spandrel Strange", 2**doublings)
    x = np.random.default_rng(1).random((1, 3, 9, 12), np.float32)
    np.testing.assert_allclose(run_folder(model, tmp_path / "out", x), forward(network, x), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("architecture", "config"),
    [
        ("compact", {"channels": 3, "convs": 3, "scale": 3}),
        ("srresnet", {"channels": 3, "blocks": 2, "scale": 4}),
        ("rrdb", {"channels": 3, "growth": 2, "blocks": 1, "scale": 4}),
        ("rrdb", {"channels": 3, "growth": 2, "blocks": 1, "scale": 2}),
    ],
)
def test_the_receptive_field_is_found(architecture: str, config: dict[str, Any]) -> None:
    network = networks.build(architecture, config).eval()
    assert receptive_radius(network, network.scale) == network.radius


def test_a_network_that_sees_everything_has_no_radius() -> None:
    class Mean(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + x.mean(dim=(2, 3), keepdim=True)

    with pytest.raises(ValueError, match="whole picture"):
        receptive_radius(Mean(), 1)
