"""RRDB: published names, the paper's arithmetic, ×2, the ablation's forms, receptive field."""

from collections.abc import Callable, Mapping

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from superfine.errors import UserError
from superfine.networks.fold import NormedConv, fold
from superfine.networks.rrdb import RRDBConfig, RRDBNet


def meta(config: RRDBConfig) -> RRDBNet:
    with torch.device("meta"):
        return RRDBNet(config)


@pytest.mark.parametrize("scale", [2, 4])
def test_names_and_shapes_are_the_published_ones(scale: int) -> None:
    state = {key: tuple(value.shape) for key, value in meta(RRDBConfig(blocks=2, scale=scale)).state_dict().items()}
    expected: dict[str, tuple[int, ...]] = {"conv_first": (64, 3 if scale == 4 else 12, 3, 3)}
    for i in range(2):
        for j in (1, 2, 3):
            for k in (1, 2, 3, 4, 5):
                expected[f"body.{i}.rdb{j}.conv{k}"] = (64 if k == 5 else 32, 64 + 32 * (k - 1), 3, 3)
    expected |= dict.fromkeys(("conv_body", "conv_up1", "conv_up2", "conv_hr"), (64, 64, 3, 3))
    expected["conv_last"] = (3, 64, 3, 3)
    assert state == {f"{k}.weight": v for k, v in expected.items()} | {f"{k}.bias": v[:1] for k, v in expected.items()}


def test_parameters_of_the_papers_network() -> None:
    assert sum(p.numel() for p in meta(RRDBConfig()).parameters()) == 16_697_987


def by_hand(state: Mapping[str, Tensor], x: Tensor, blocks: int) -> Tensor:
    """Fig. 3 and 4 of the paper, written from the names of the tensors."""

    def conv(name: str, y: Tensor) -> Tensor:
        return F.conv2d(y, state[f"{name}.weight"], state[f"{name}.bias"], padding=1)

    def lrelu(y: Tensor) -> Tensor:
        return torch.where(y > 0, y, 0.2 * y)

    def twice(y: Tensor) -> Tensor:
        return y.repeat_interleave(2, 2).repeat_interleave(2, 3)

    shallow = deep = conv("conv_first", x)
    for i in range(blocks):
        inner = deep
        for j in (1, 2, 3):
            x1 = lrelu(conv(f"body.{i}.rdb{j}.conv1", inner))
            x2 = lrelu(conv(f"body.{i}.rdb{j}.conv2", torch.cat((inner, x1), 1)))
            x3 = lrelu(conv(f"body.{i}.rdb{j}.conv3", torch.cat((inner, x1, x2), 1)))
            x4 = lrelu(conv(f"body.{i}.rdb{j}.conv4", torch.cat((inner, x1, x2, x3), 1)))
            inner = inner + 0.2 * conv(f"body.{i}.rdb{j}.conv5", torch.cat((inner, x1, x2, x3, x4), 1))
        deep = deep + 0.2 * inner
    y = shallow + conv("conv_body", deep)
    y = lrelu(conv("conv_up2", twice(lrelu(conv("conv_up1", twice(y))))))
    return conv("conv_last", lrelu(conv("conv_hr", y)))


def loud(network: nn.Module) -> nn.Module:
    """Weights that make every part of the network heard."""
    for parameter in network.parameters():
        parameter.data.copy_(torch.randn_like(parameter) * 0.3)
    return network


def test_it_computes_what_the_paper_draws() -> None:
    torch.manual_seed(0)
    network = loud(RRDBNet(RRDBConfig(channels=6, growth=3, blocks=2)).double())
    x = torch.rand(2, 3, 7, 5, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(network(x), by_hand(network.state_dict(), x, 2))


def test_twofold_is_fourfold_on_cells() -> None:
    torch.manual_seed(0)
    network = loud(RRDBNet(RRDBConfig(channels=6, growth=3, blocks=1, scale=2)).double())
    x = torch.rand(2, 3, 8, 6, dtype=torch.float64)
    # Channel by channel, the four pixels of a cell in reading order.
    cells = torch.stack([x[:, c, i::2, j::2] for c in range(3) for i in (0, 1) for j in (0, 1)], 1)
    with torch.no_grad():
        torch.testing.assert_close(network(x), by_hand(network.state_dict(), cells, 1))


@pytest.mark.parametrize(("height", "width"), [(7, 6), (8, 5), (7, 5), (1, 1)])
def test_twofold_takes_odd_sizes(height: int, width: int) -> None:
    torch.manual_seed(0)
    network = loud(RRDBNet(RRDBConfig(channels=4, growth=2, blocks=1, scale=2)))
    x = torch.rand(1, 3, height, width)
    even = F.pad(x, (0, width % 2, 0, height % 2), mode="replicate")
    with torch.no_grad():
        output = network(x)
        assert output.shape == (1, 3, 2 * height, 2 * width)
        assert torch.equal(output, network(even)[..., : 2 * height, : 2 * width])


@pytest.mark.parametrize(
    ("config", "radius"),
    [
        (RRDBConfig(channels=4, growth=2, blocks=1), 19),
        (RRDBConfig(channels=4, growth=2, blocks=2), 34),
        (RRDBConfig(channels=4, growth=2, blocks=1, scale=2), 38),
        (RRDBConfig(channels=4, blocks=3, block="residual"), 10),
        (RRDBConfig(channels=4, blocks=3, block="residual", scale=2, batch_norm=True), 20),
    ],
)
def test_radius_is_the_receptive_field(config: RRDBConfig, radius: int, reach: Callable[[nn.Module], int]) -> None:
    torch.manual_seed(0)
    network = RRDBNet(config)
    assert network.radius == radius
    assert reach(network) == radius


@pytest.mark.parametrize("scale", [2, 4])
def test_a_pixel_changes_no_output_beyond_the_radius(scale: int, touched: Callable[[nn.Module], int]) -> None:
    torch.manual_seed(0)
    network = loud(RRDBNet(RRDBConfig(channels=4, blocks=1, block="residual", scale=scale)))
    assert touched(network) == network.radius


def test_radius_of_the_papers_network() -> None:
    assert meta(RRDBConfig()).radius == 349


def test_it_starts_with_small_residuals() -> None:
    torch.manual_seed(0)
    network = RRDBNet(RRDBConfig(channels=32, growth=16, blocks=1))
    conv = network.body[0].rdb2.conv3
    gain = (2 / (1 + 0.2**2)) ** 0.5
    assert conv.weight.std().item() == pytest.approx(0.1 * gain / (9 * conv.in_channels) ** 0.5, rel=0.05)
    hr = network.conv_hr
    assert hr.weight.std().item() == pytest.approx(gain / (9 * hr.in_channels) ** 0.5, rel=0.05)
    x = torch.randn(1, 32, 8, 8)
    with torch.no_grad():
        # The dense blocks add little: what remains is x + 0.2 · x.
        assert (network.body[0](x) - 1.2 * x).std() < 0.05


@pytest.mark.parametrize("block", ["rrdb", "residual"])
def test_batch_norm_folds_away(block: str) -> None:
    torch.manual_seed(0)
    network = RRDBNet(RRDBConfig(channels=6, growth=3, blocks=2, block=block, batch_norm=True)).double()
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == (31 if block == "rrdb" else 5)
    assert not any(isinstance(m, NormedConv) for m in RRDBNet(RRDBConfig(channels=4, blocks=1)).modules())
    for norm in norms:
        norm.running_mean.normal_(0, 0.3)
        norm.running_var.uniform_(0.5, 2)
        norm.weight.data.uniform_(0.5, 1.5)
        norm.bias.data.normal_(0, 0.3)
    network.eval()
    folded = fold(network)
    plain = RRDBNet(RRDBConfig(channels=6, growth=3, blocks=2, block=block))
    assert folded.config == plain.config
    assert folded.state_dict().keys() == plain.state_dict().keys()
    x = torch.rand(1, 3, 6, 7, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(folded(x), network(x), rtol=1e-9, atol=1e-9)


def test_it_learns() -> None:
    torch.manual_seed(0)
    network = RRDBNet(RRDBConfig(channels=8, growth=4, blocks=1, scale=2))
    x = torch.rand(2, 3, 6, 6)
    network(x).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


@pytest.mark.parametrize(
    "wrong", [{"scale": 3}, {"channels": 0}, {"growth": 0}, {"blocks": 0}, {"block": "dense"}, {"upsampler": "x"}]
)
def test_settings_that_are_refused(wrong: dict) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        RRDBConfig(**wrong)
