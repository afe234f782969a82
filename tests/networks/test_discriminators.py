"""The discriminators: the papers' layers, logits, crops."""

import pytest
import torch
from torch import nn

from superfine.errors import UserError
from superfine.networks import DISCRIMINATORS, build_discriminator
from superfine.networks.discriminators import (
    ESRGANDiscriminatorConfig,
    SRGANDiscriminator,
    SRGANDiscriminatorConfig,
    UNetDiscriminator,
    UNetDiscriminatorConfig,
)


def meta(name: str, **config: int | None) -> nn.Module:
    with torch.device("meta"):
        return build_discriminator(name, config)


def test_srgans_network_layer_by_layer() -> None:
    # Ledig et al. 2017, Fig. 4: k3 n64s1, n64s2, n128s1, … n512s2, dense 1024, dense 1; no batch norm behind the first.
    layers = list(meta("srgan").modules())
    convs = [m for m in layers if isinstance(m, nn.Conv2d)]
    assert [(m.kernel_size[0], m.out_channels, m.stride[0]) for m in convs] == [
        (3, 64, 1), (3, 64, 2), (3, 128, 1), (3, 128, 2), (3, 256, 1), (3, 256, 2), (3, 512, 1), (3, 512, 2)
    ]  # fmt: skip
    assert [m.num_features for m in layers if isinstance(m, nn.BatchNorm2d)] == [64, 128, 128, 256, 256, 512, 512]
    assert [(m.in_features, m.out_features) for m in layers if isinstance(m, nn.Linear)] == [
        (512 * 6 * 6, 1024),
        (1024, 1),
    ]
    assert {m.negative_slope for m in layers if isinstance(m, nn.LeakyReLU)} == {0.2}
    assert not any(isinstance(m, nn.Sigmoid) for m in layers)


def test_esrgans_names_and_shapes() -> None:
    state = {key: tuple(value.shape) for key, value in meta("esrgan").state_dict().items() if "bn" not in key}
    expected = {"conv0_0.weight": (64, 3, 3, 3), "conv0_0.bias": (64,), "conv0_1.weight": (64, 64, 4, 4)}
    for stage, (inputs, outputs) in enumerate([(64, 128), (128, 256), (256, 512), (512, 512)], 1):
        expected[f"conv{stage}_0.weight"] = (outputs, inputs, 3, 3)
        expected[f"conv{stage}_1.weight"] = (outputs, outputs, 4, 4)
    expected |= {"linear1.weight": (100, 8192), "linear1.bias": (100,)}
    expected |= {"linear2.weight": (1, 100), "linear2.bias": (1,)}
    assert state == expected
    norms = [name for name, m in meta("esrgan").named_modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms == [f"bn{stage}_{half}" for stage in range(5) for half in (0, 1) if stage or half]


def test_the_u_nets_weights() -> None:
    # Real-ESRGAN's has 4,376,897; spectral norm's vectors are no parameters.
    assert sum(p.numel() for p in meta("unet").parameters()) == 4_376_897


def test_a_logit_of_the_patch_discriminator_sees_30_pixels_and_all_of_them() -> None:
    torch.manual_seed(0)
    network = build_discriminator("patch", {"channels": 4}).double()
    x = torch.rand(1, 3, 64, 64, dtype=torch.float64, requires_grad=True)
    network(x)[0, 0, 8, 8].backward()
    rows, columns = x.grad.abs().sum((0, 1)).nonzero(as_tuple=True)
    for seen in (rows, columns):
        assert seen.max() - seen.min() + 1 == 30
        assert seen.min() <= 8 * 4 <= seen.max()
    with pytest.raises(UserError, match="was given 30×32 pixels; give a multiple of 4"):
        network(torch.rand(1, 3, 32, 30, dtype=torch.float64))


@pytest.mark.parametrize(
    ("name", "config", "crop", "shape"),
    [
        ("srgan", {"channels": 4, "crop": 24}, 24, (2, 1)),
        ("srgan", {"channels": 4, "crop": 37}, 37, (2, 1)),
        ("srgan", {"channels": 4, "crop": None}, 50, (2, 1)),
        ("esrgan", {"channels": 4, "crop": 32}, 32, (2, 1)),
        ("esrgan", {"channels": 4, "crop": 64}, 64, (2, 1)),
        ("unet", {"channels": 4}, 24, (2, 1, 24, 24)),
        ("patch", {"channels": 4}, 24, (2, 1, 6, 6)),
        ("patch", {"channels": 4}, 28, (2, 1, 7, 7)),
    ],
)
def test_logits_and_gradients(name: str, config: dict, crop: int, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    network = build_discriminator(name, config)
    x = torch.rand(2, 3, crop, crop, requires_grad=True)
    logits = network(x)
    assert logits.shape == shape
    assert logits.abs().max() < 1  # they begin near 0 …
    logits.sum().backward()
    assert x.grad.abs().sum() > 0
    assert all(p.grad is not None for p in network.parameters())
    last = [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d)][-1]
    last.bias.data.fill_(1000)  # … and are not squashed
    assert network(x).min() > 900


def test_srgan_without_a_crop_is_the_same_at_the_papers_size() -> None:
    torch.manual_seed(0)
    fixed = SRGANDiscriminator(SRGANDiscriminatorConfig(channels=4)).eval()
    free = SRGANDiscriminator(SRGANDiscriminatorConfig(channels=4, crop=None)).eval()
    free.load_state_dict(fixed.state_dict())
    x = torch.rand(2, 3, 96, 96)
    torch.testing.assert_close(free(x), fixed(x))


def test_srgan_sees_pixels_from_minus_one_to_one() -> None:
    network = SRGANDiscriminator(SRGANDiscriminatorConfig(channels=4, crop=16))
    seen = []
    network.features[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = torch.tensor([0.0, 0.5, 1.0])[None, :, None, None].expand(2, 3, 16, 16)
    network(x)
    assert seen[0][0, :, 0, 0].tolist() == [-1, 0, 1]


def test_another_crop_is_one_line() -> None:
    for name in ("srgan", "esrgan"):
        with pytest.raises(UserError, match="built for 32×32 pixels, not 48×32; give its configuration the crop"):
            build_discriminator(name, {"channels": 2, "crop": 32})(torch.rand(1, 3, 32, 48))
    with pytest.raises(UserError, match="was given 28×32 pixels; give it multiples of 8"):
        UNetDiscriminator(UNetDiscriminatorConfig(channels=2))(torch.rand(1, 3, 32, 28))


def test_spectral_norm_holds_the_largest_singular_value_at_one() -> None:
    torch.manual_seed(0)
    network = UNetDiscriminator(UNetDiscriminatorConfig(channels=4))
    for conv in network.down:
        conv.parametrizations.weight.original.data.mul_(30)
    for _ in range(30):
        network(torch.rand(1, 3, 8, 8))
    network.eval()
    for conv in [*network.down, *network.up, *network.tail]:
        assert torch.linalg.matrix_norm(conv.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.02)
    assert not hasattr(network.first, "parametrizations")
    assert not hasattr(network.last, "parametrizations")


def test_the_u_net_may_be_run_twice_in_a_step() -> None:
    """Its power iteration writes to buffers that the first pass' gradient needs: they must be copies."""
    network = UNetDiscriminator(UNetDiscriminatorConfig(channels=2))
    real, fake = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)
    (network(real).mean() - network(fake).mean()).backward()


def test_building() -> None:
    for name, config in (("srgan", {"crop": 48}), ("esrgan", {"crop": 64}), ("unet", {}), ("patch", {})):
        network = build_discriminator(name, {"channels": 2, **config})
        assert isinstance(network.config, DISCRIMINATORS[name].config)
    with pytest.raises(UserError, match="discriminator 'pixel': unknown; choose one of srgan, esrgan, patch, unet"):
        build_discriminator("pixel", {})
    with pytest.raises(UserError, match="unet: unknown hyper-parameter crop"):
        build_discriminator("unet", {"crop": 64})
    with pytest.raises(UserError, match="crop: the discriminator cannot look at 100 pixels; give a multiple of 32"):
        ESRGANDiscriminatorConfig(crop=100)
    with pytest.raises(UserError, match="crop: the discriminator cannot look at 0 pixels; give 1 or more"):
        SRGANDiscriminatorConfig(crop=0)
    with pytest.raises(UserError, match="channels: 0 is not positive"):
        UNetDiscriminatorConfig(channels=0)
