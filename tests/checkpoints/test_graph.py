"""The ONNX graph: each operation against torch."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from superfine import networks
from superfine.checkpoints.graph import export_graph
from superfine.engine.backends import Backend
from superfine.engine.backends.openvino import OpenVino
from superfine.engine.backends.torch import Torch
from superfine.errors import UserError
from superfine.modelfile import encode, half, offsets


class Ops(nn.Module):
    """Every operation of the tables, with settings that are not the usual ones."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Conv2d(3, 12, (3, 5), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=3, bias=False)
        self.shared = nn.PReLU()
        self.each = nn.PReLU(12)
        self.up = nn.Sequential(nn.Conv2d(12, 12, 1), nn.PixelShuffle(2))

    def forward(self, x: Tensor) -> Tensor:
        y = self.up(self.each(self.shared(self.wide(x)) * 3.0 + 0.25))
        z = F.pixel_shuffle(F.interpolate(y, scale_factor=2, mode="nearest").tile(1, 1, 1, 1), 1)
        return z * z + y.mean()


class Plain(Ops):
    def forward(self, x: Tensor) -> Tensor:
        y = self.up(self.each(self.shared(self.wide(x)) * 3.0 + 0.25))
        z = F.pixel_shuffle(F.interpolate(y, scale_factor=2.0, mode="nearest"), 1)
        return F.leaky_relu(z * z + z, negative_slope=0.3) + F.leaky_relu(z) + F.relu(z)


def test_each_operation_against_torch(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Plain().eval()
    weights = half({key: value.numpy() for key, value in network.state_dict().items()})
    network.load_state_dict({key: torch.from_numpy(value.astype(np.float32)) for key, value in weights.items()})
    (tmp_path / "g.onnx").write_bytes(export_graph(network, "w.safetensors", offsets(weights)))
    (tmp_path / "w.safetensors").write_bytes(encode(weights))
    session = onnxruntime.InferenceSession(tmp_path / "g.onnx", providers=["CPUExecutionProvider"])
    for size in ((1, 3, 9, 15), (2, 3, 10, 12)):
        x = torch.rand(size)
        with torch.no_grad():
            expected = network(x).numpy()
        np.testing.assert_allclose(session.run(None, {"input": x.numpy()})[0], expected, rtol=1e-5, atol=1e-5)


def test_an_operation_without_a_form_is_named() -> None:
    network = Ops().eval()
    weights = half({key: value.numpy() for key, value in network.state_dict().items()})
    with pytest.raises(UserError, match=r"Ops: no ONNX form for tile"):
        export_graph(network, "w.safetensors", offsets(weights))


@pytest.mark.parametrize(
    "module",
    [nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect"), nn.Conv2d(3, 3, 3, padding="same"), nn.Sigmoid()],
)
def test_settings_without_a_form_are_refused(module: nn.Module) -> None:
    network = nn.Sequential(module)
    weights = half({key: value.numpy() for key, value in network.state_dict().items()})
    with pytest.raises(UserError, match="no ONNX form"):
        export_graph(network, "w.safetensors", offsets(weights))


@pytest.mark.parametrize(
    "settings", [{"mode": "bicubic"}, {"mode": "bilinear", "align_corners": True}, {"mode": "nearest-exact"}]
)
def test_other_interpolation_is_refused(settings: dict) -> None:
    class Net(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.interpolate(x, scale_factor=2, **settings)

    with pytest.raises(UserError, match="interpolation"):
        export_graph(Net(), "w.safetensors", {})


@pytest.mark.parametrize(
    "forward",
    [
        lambda x: F.pad(x, (1, 1, 1, 1)),
        lambda x: F.pad(x, (1, 1), mode="replicate"),
        lambda x: x[:, ::2],
        lambda x: x[0],
    ],
)
def test_other_padding_and_indices_are_refused(forward: Callable[[Tensor], Tensor]) -> None:
    class Net(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return forward(x)

    with pytest.raises(UserError, match="has no ONNX form"):
        export_graph(Net(), "w.safetensors", {})


def readers(network: nn.Module, folder: Path) -> dict[str, Callable[[Tensor], NDArray[np.float32]]]:
    """What computes in float32 what the graph says, and the network itself (``truth``) with the same weights."""
    weights = half({key: value.numpy() for key, value in network.state_dict().items()})
    network.load_state_dict({key: torch.from_numpy(value.astype(np.float32)) for key, value in weights.items()})
    graph = folder / "graph.onnx"
    graph.write_bytes(export_graph(network.eval(), "w.safetensors", offsets(weights)))
    (folder / "w.safetensors").write_bytes(encode(weights))
    onnx.checker.check_model(graph)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])

    def by(backend: Backend) -> Callable[[Tensor], NDArray[np.float32]]:
        return lambda x: backend.run(np.ascontiguousarray(x.permute(0, 2, 3, 1).numpy())).transpose(0, 3, 1, 2)

    return {
        "truth": lambda x: network(x).detach().numpy(),
        "onnxruntime": lambda x: session.run(None, {"input": x.numpy()})[0],
        "openvino": by(OpenVino(graph, "f32")),
        "torch": by(Torch(graph, "torch:cpu").in_float32()),
    }


EVERY_NETWORK = [
    ("compact", {"channels": 8, "convs": 2}),
    ("srresnet", {"channels": 8, "blocks": 1, "batch_norm": False}),
    *(
        ("srresnet", {"channels": 8, "blocks": 1, "batch_norm": False, "upsampler": kind})
        for kind in ("nearest", "bilinear", "transposed")
    ),
    *(("srcnn", {"channels": 8, "mapped": 4, "scale": scale}) for scale in (2, 3, 4)),
    ("srcnn", {"channels": 8, "mapped": 4, "kernels": "9-5-5"}),
    ("rrdb", {"channels": 8, "growth": 4, "blocks": 2}),
    ("rrdb", {"channels": 8, "growth": 4, "blocks": 1, "scale": 2}),
    ("rrdb", {"channels": 8, "blocks": 2, "block": "residual", "upsampler": "subpixel-icnr"}),
]


@pytest.mark.parametrize(("architecture", "config"), EVERY_NETWORK)
def test_every_network_is_the_same_everywhere(architecture: str, config: dict, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = networks.build(architecture, config)
    computed_by = readers(network, tmp_path)
    for size in ((1, 3, 9, 14), (2, 3, 8, 11)):
        x = torch.rand(size)
        results = {reader: compute(x) for reader, compute in computed_by.items()}
        truth = results.pop("truth")
        assert truth.shape[2:] == (size[2] * network.scale, size[3] * network.scale)
        assert truth.std() > 1e-3
        for reader, result in results.items():
            np.testing.assert_allclose(result, truth, atol=2e-5, rtol=1e-4, err_msg=reader)


def test_the_graph_stays_small() -> None:
    """Two of the 23 blocks of the paper's RRDB: 36 of 351 convolutions, whose weights are 33 MB."""
    with torch.device("meta"):
        network = networks.build("rrdb", {"blocks": 2})
    where = {key: (0, 2 * value.numel()) for key, value in network.state_dict().items()}
    assert len(export_graph(network, "fidelity.safetensors", where)) < 40_000
