"""The losses against numbers computed by hand, their gradients, and large logits."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from superfine import losses
from superfine.errors import UserError
from superfine.images import imresize
from superfine.losses import (
    ADVERSARIAL_LOSSES,
    PIXEL_LOSSES,
    SRGAN_RESCALE,
    artefacts,
    checkerboard,
    consistency,
    content,
    gradient_penalty,
    total_variation,
)
from superfine.networks.compact import Compact, CompactConfig
from superfine.networks.features import load_features


def log1p_exp(x: float) -> float:
    return math.log(1 + math.exp(x))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


A = torch.tensor([0.0, 0.5, 1.0]).reshape(1, 3, 1, 1)
B = torch.tensor([0.2, 0.5, 0.6]).reshape(1, 3, 1, 1)
DY = 0.299 * -0.2 + 0.114 * 0.4
SQUARES_YCBCR = DY**2 + 0.1 * (((0.4 - DY) / 1.772) ** 2 + ((-0.2 - DY) / 1.402) ** 2)
"""The errors are red's −0.2 and blue's 0.4."""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("l1", (0.2 + 0 + 0.4) / 3),
        ("mse", (0.04 + 0 + 0.16) / 3),
        ("charbonnier", (math.sqrt(0.04 + 1e-6) + 1e-3 + math.sqrt(0.16 + 1e-6)) / 3),
        ("mse_y", ((65.481 * -0.2 + 24.966 * 0.4) / 255) ** 2),
        ("psnr", 10 * math.log10(0.2 / 3 + 1e-4)),
        ("mse_ycbcr", SQUARES_YCBCR),
        ("psnr_ycbcr", 10 * math.log10(SQUARES_YCBCR + 1e-4)),
    ],
)
def test_pixel_losses_by_hand(name: str, expected: float) -> None:
    assert PIXEL_LOSSES[name](A, B).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("ycbcr", "rgb"), [("mse_ycbcr", "mse"), ("psnr_ycbcr", "psnr")])
def test_an_error_of_brightness_costs_what_it_does_in_rgb_and_one_of_colour_less(ycbcr: str, rgb: str) -> None:
    torch.manual_seed(0)
    target, error = torch.rand(2, 3, 8, 8), 0.2 * torch.randn(2, 1, 8, 8)
    weighted, plain = PIXEL_LOSSES[ycbcr], PIXEL_LOSSES[rgb]
    assert weighted(target + error, target).item() == pytest.approx(plain(target + error, target).item(), rel=1e-4)
    colour = error * torch.tensor([0.587, -0.299, 0.0]).reshape(3, 1, 1)  # red and green, of the same Y
    assert weighted(target, target) < weighted(target + colour, target) < plain(target + colour, target)


@pytest.mark.parametrize("loss", ["psnr", "psnr_ycbcr"])
def test_the_psnr_loss_weighs_pictures_alike(loss: str) -> None:
    """A tenth of the error counts the same in an easy and in a hard picture, and hardly in one that is right to the bit."""
    target = torch.zeros(3, 3, 4, 4)
    errors = torch.tensor([0.2, 0.05, 1 / 1024]).reshape(3, 1, 1, 1).requires_grad_()
    PIXEL_LOSSES[loss](target + errors, target).backward()
    assert errors.grad is not None
    gained = (errors * errors.grad).flatten().tolist()
    assert gained[0] == pytest.approx(20 / math.log(10) / 3, rel=0.01)
    assert gained[1] == pytest.approx(gained[0], rel=0.05)
    assert gained[2] < 0.02 * gained[0]


def test_consistency_is_what_matlabs_bicubic_leaves_of_the_error() -> None:
    rng = np.random.default_rng(0)
    photo, result = rng.random((2, 48, 64, 3))
    small = [imresize(picture, scale=0.25)[2:-2, 2:-2] for picture in (result, photo)]
    as_tensor = [torch.from_numpy(picture).permute(2, 0, 1)[None] for picture in (result, photo)]
    assert consistency(*as_tensor, scale=4).item() == pytest.approx(np.abs(small[0] - small[1]).mean(), rel=1e-6)
    assert consistency(as_tensor[0] + 0.1, as_tensor[0], scale=4).item() == pytest.approx(0.1, abs=1e-6)
    # A texture that bicubic does not see costs nothing.
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(64.0), indexing="ij")
    chequered = 0.2 * (torch.remainder(x + y, 2) - 0.5)
    assert consistency(as_tensor[0] + chequered, as_tensor[0], scale=4).item() < 1e-3


def test_consistency_has_gradients_everywhere_inside() -> None:
    result = torch.rand(1, 3, 40, 40, requires_grad=True)
    consistency(result, torch.rand(1, 3, 40, 40), scale=4).backward()
    assert result.grad is not None
    assert (result.grad[..., 8:-8, 8:-8] != 0).all()
    assert (result.grad[..., 0, :] == 0).all()


def test_checkerboard_sees_what_repeats_and_hardly_a_texture() -> None:
    torch.manual_seed(0)
    target = torch.rand(2, 3, 96, 80, dtype=torch.float64)
    lattice = torch.randn(1, 3, 4, 4, dtype=torch.float64).tile(2, 1, 24, 20)
    value = checkerboard(target + 0.1 * lattice, target, scale=4).item()
    assert value == pytest.approx(0.1 * lattice.abs().mean().item())
    texture = torch.randn(target.shape, dtype=torch.float64)
    left = checkerboard(target + 0.1 * texture, target, scale=4).item()
    assert left == pytest.approx(0.1 / 8 * math.sqrt(2 / math.pi), rel=0.1)


def test_artefacts_pixel_by_pixel() -> None:
    torch.manual_seed(0)
    target, result, steady = torch.rand(3, 2, 3, 9, 8, dtype=torch.float64)
    result.requires_grad_()
    error = (result - target).abs().detach()
    r, other = error.sum(1), (steady - target).abs().sum(1)
    padded = np.pad(r.numpy(), ((0, 0), (2, 2), (2, 2)), mode="reflect")
    weight = torch.zeros_like(r)
    for n, y, x in np.ndindex(*r.shape):
        if r[n, y, x] >= other[n, y, x]:
            weight[n, y, x] = padded[n, y : y + 5, x : x + 5].var() * r[n].numpy().var() ** 0.2
    found = artefacts(result, target, steady, window=5)
    assert found.item() == pytest.approx((weight[:, None] * error).mean().item(), rel=1e-9)
    found.backward()
    assert result.grad is not None
    torch.testing.assert_close(result.grad, weight[:, None] * (result - target).sign().detach() / error.numel())


def test_no_artefacts_where_the_error_is_even_or_less_than_it_was() -> None:
    target = torch.rand(1, 3, 16, 16, dtype=torch.float64)
    assert artefacts(target + 0.1, target, target).item() == pytest.approx(0.0, abs=1e-12)
    wrong = target + torch.rand(target.shape, dtype=torch.float64)
    assert artefacts(wrong, target, target).item() > 0.01
    assert artefacts(wrong, target, wrong + 1.0).item() == 0.0


def test_total_variation_by_hand() -> None:
    picture = torch.tensor([[0.0, 3.0, 3.0], [4.0, 0.0, 1.0], [9.0, 9.0, 9.0]]).reshape(1, 1, 3, 3)
    # Here (0,0): 4 down, 3 right; (0,1): −3, 0; (1,0): 5, −4; (1,1): 9, 1.
    expected = (5 + 3 + math.sqrt(41) + math.sqrt(82)) / 4
    assert total_variation(picture).item() == pytest.approx(expected, rel=1e-6)
    flat = torch.full((1, 3, 4, 4), 0.3, requires_grad=True)
    total_variation(flat).backward()
    assert torch.equal(flat.grad, torch.zeros_like(flat))


def maps(*values: float) -> Tensor:
    """Feature maps of two channels on one row of positions."""
    return torch.tensor(values).reshape(1, 2, 1, -1)


def test_content_by_hand() -> None:
    result, target = {"conv2_2": maps(1, 2, 3, 4)}, {"conv2_2": maps(0, 2, 5, 4)}
    # Differences 1, 0 | −2, 0 at two positions: squares 5, absolute values 3.
    settings = {"rescale": 1.0}
    assert content(result, target, distance="mse", reduction="mean", **settings).item() == pytest.approx(5 / 4)
    assert content(result, target, distance="mse", reduction="positions", **settings).item() == pytest.approx(5 / 2)
    assert content(result, target, distance="l1", reduction="mean", **settings).item() == pytest.approx(3 / 4)
    assert content(result, target, distance="l1", reduction="positions", **settings).item() == pytest.approx(3 / 2)


def test_srgans_rescaling() -> None:
    # Ledig et al. 2017, §3.2: 1/12.75 of the feature maps is about 0.006 of the loss.
    result, target = {"conv5_4": maps(1, 2, 3, 4)}, {"conv5_4": maps(0, 2, 5, 4)}
    plain, scaled = (
        content(result, target, distance="mse", reduction="positions", rescale=r).item() for r in (1.0, SRGAN_RESCALE)
    )
    assert scaled / plain == pytest.approx(1 / 12.75**2)
    assert scaled / plain == pytest.approx(0.006, abs=2e-4)
    linear = content(result, target, distance="l1", reduction="mean", rescale=SRGAN_RESCALE).item()
    assert linear == pytest.approx(3 / 4 / 12.75)


def test_content_of_windows_asks_how_much_there_is_and_not_where() -> None:
    texture = torch.zeros(1, 1, 8, 8)
    texture[..., ::2] = 2.0
    settings = {"distance": "l1", "reduction": "mean", "rescale": 1.0}
    moved, fainter = {"conv2_2": texture.roll(1, -1)}, {"conv2_2": texture / 2}
    assert content(moved, {"conv2_2": texture}, **settings).item() == pytest.approx(2.0)
    assert content(moved, {"conv2_2": texture}, window=8, **settings).item() == 0.0
    assert content(fainter, {"conv2_2": texture}, window=8, **settings).item() == pytest.approx(0.5)


def test_windows_have_a_size_in_pixels_and_overlap_by_half() -> None:
    torch.manual_seed(0)
    for layer, side in (("conv1_2", 16), ("conv2_2", 8), ("conv3_1", 4)):
        made, wanted = torch.rand(2, 3, 24, 32), torch.rand(2, 3, 24, 32)
        means = [
            (made - wanted)[:, :, y : y + side, x : x + side].mean((2, 3))
            for y in range(0, 24 - side + 1, side // 2)
            for x in range(0, 32 - side + 1, side // 2)
        ]
        loss = content({layer: made}, {layer: wanted}, distance="l1", reduction="mean", rescale=1.0, window=16)
        assert loss.item() == pytest.approx(torch.stack(means).abs().mean().item(), rel=1e-5)


def test_features_of_unit_length_weigh_faint_places_as_strong_ones() -> None:
    result, target = {"conv2_2": maps(3, 0.03, 4, 0.04)}, {"conv2_2": maps(5, 0.05, 0, 0)}
    settings = {"distance": "l1", "reduction": "mean", "unit_length": True}
    # (0.6, 0.8) and (1, 0) at both positions, of which the second has a hundredth of the first one's contrast.
    assert content(result, target, rescale=1.0, **settings).item() == pytest.approx((0.4 + 0.8) / 2, rel=1e-4)
    assert content(result, target, rescale=0.5, **settings).item() == pytest.approx((0.4 + 0.8) / 4, rel=1e-4)
    assert content(result, target, rescale=1.0, reduction="mean", distance="l1").item() == pytest.approx(6.06 / 4)


def test_a_position_without_features_has_a_gradient() -> None:
    nothing = torch.zeros(1, 2, 1, 2, requires_grad=True)
    loss = content(
        {"a": nothing}, {"a": maps(3, 0, 4, 0)}, distance="l1", reduction="mean", rescale=1.0, unit_length=True
    )
    assert loss.item() == pytest.approx((0.6 + 0.8) / 4)
    loss.backward()
    assert nothing.grad is not None
    assert nothing.grad.isfinite().all()


def test_windows_are_means_of_features_of_unit_length() -> None:
    torch.manual_seed(0)
    made, wanted = ({"conv2_2": torch.rand(1, 3, 8, 8) * torch.rand(1, 1, 8, 8)} for _ in range(2))
    settings = {"distance": "l1", "reduction": "mean", "rescale": 1.0, "window": 16}
    units = [{"conv2_2": F.normalize(features["conv2_2"], dim=1)} for features in (made, wanted)]
    loss = content(made, wanted, unit_length=True, **settings)
    assert loss.item() == pytest.approx(content(*units, **settings).item(), rel=1e-5)


def test_content_of_several_layers() -> None:
    result = {"conv1_2": maps(1, 1, 1, 1), "conv2_2": maps(2, 2)}
    target = {"conv1_2": maps(0, 0, 0, 0), "conv2_2": maps(0, 0)}
    loss = content(result, target, distance="mse", reduction="mean", rescale=1.0)
    assert loss.item() == pytest.approx(1 + 4)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"distance": "l2"}, "content distance 'l2': unknown; choose one of mse, l1"),
        ({"reduction": "sum"}, "content reduction 'sum': unknown; choose one of mean, positions"),
    ],
)
def test_content_refuses(wrong: dict, message: str) -> None:
    features = {"conv2_2": maps(1, 2)}
    with pytest.raises(UserError, match=message):
        content(features, features, **({"distance": "mse", "reduction": "mean", "rescale": 1.0} | wrong))


@pytest.mark.parametrize("before_activation", [True, False])
def test_the_content_loss_reaches_the_generator(shared: Path, before_activation: bool) -> None:
    torch.manual_seed(0)
    generator = Compact(CompactConfig(channels=4, convs=1))
    weights = shared / "data" / "weights" / "vgg19_conv3_1.safetensors"
    features = load_features("vgg19", ["22"], before_activation=before_activation, weights=weights)
    lr, hr = torch.rand(1, 3, 6, 6), torch.rand(1, 3, 24, 24)
    with torch.no_grad():
        target = features(hr)
    loss = content(features(generator(lr)), target, distance="l1", reduction="mean", rescale=1.0)
    loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in generator.parameters())
    assert all(p.grad is None for p in features.parameters())
    # A step against the gradient lowers it.
    with torch.no_grad():
        for p in generator.parameters():
            p -= 1e-3 * p.grad / p.grad.norm()
        assert content(features(generator(lr)), target, distance="l1", reduction="mean", rescale=1.0) < loss


REAL, FAKE = torch.tensor([[1.0], [3.0]]), torch.tensor([[-2.0], [1.0]])


@pytest.mark.parametrize(
    ("name", "generator", "discriminator"),
    [
        (
            "vanilla",
            -(math.log(sigmoid(-2)) + math.log(sigmoid(1))) / 2,
            -(math.log(sigmoid(1)) + math.log(sigmoid(3))) / 2
            - (math.log(1 - sigmoid(-2)) + math.log(1 - sigmoid(1))) / 2,
        ),
        ("least-squares", 0.5 * (9 + 0) / 2, 0.5 * (0 + 4) / 2 + 0.5 * (4 + 1) / 2),
        ("hinge", -(-2 + 1) / 2, 0 + (0 + 2) / 2),
        (
            # The means are 2 and −½: real − mean fake is 1.5 and 3.5, fake − mean real is −4 and −1.
            "relativistic",
            -(math.log(1 - sigmoid(1.5)) + math.log(1 - sigmoid(3.5))) / 2
            - (math.log(sigmoid(-4)) + math.log(sigmoid(-1))) / 2,
            -(math.log(sigmoid(1.5)) + math.log(sigmoid(3.5))) / 2
            - (math.log(1 - sigmoid(-4)) + math.log(1 - sigmoid(-1))) / 2,
        ),
        (
            # Each photograph beside its own result: 1 and −2, 3 and 1.
            "paired",
            -(math.log(sigmoid(-3)) + math.log(sigmoid(-2))) / 2,
            -(math.log(sigmoid(3)) + math.log(sigmoid(2))) / 2,
        ),
    ],
)
def test_adversarial_losses_by_hand(name: str, generator: float, discriminator: float) -> None:
    loss = ADVERSARIAL_LOSSES[name]
    assert loss.generator(REAL, FAKE).item() == pytest.approx(generator, rel=1e-5)
    assert loss.discriminator(REAL, FAKE).item() == pytest.approx(discriminator, rel=1e-5)
    if not loss.relative:
        assert loss.generator(None, FAKE).item() == pytest.approx(generator, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "of_real"),
    [
        ("vanilla", (sigmoid(1) + sigmoid(3)) / 2),
        ("relativistic", (sigmoid(1.5) + sigmoid(3.5)) / 2),
        ("paired", (sigmoid(3) + sigmoid(2)) / 2),
    ],
)
def test_the_discriminators_probability_by_hand(name: str, of_real: float) -> None:
    assert ADVERSARIAL_LOSSES[name].probability(REAL, FAKE).mean().item() == pytest.approx(of_real, rel=1e-5)


def test_what_a_pair_has_in_common_cancels() -> None:
    content_of_pictures = torch.tensor([[50.0], [-70.0]])
    for side in (ADVERSARIAL_LOSSES["paired"].generator, ADVERSARIAL_LOSSES["paired"].discriminator):
        torch.testing.assert_close(side(REAL + content_of_pictures, FAKE + content_of_pictures), side(REAL, FAKE))


@pytest.mark.parametrize("patches", [1, 6])
def test_the_gradient_penalty_by_hand(patches: int) -> None:
    # C(x) = Σ wₓ x², the same for each of the patches: ∇ Σ C = P · 2 w x, so ½ mean over 2 pictures of |P · 2 w x|² / P.
    x = torch.tensor([[1.0, 2.0], [3.0, 0.0]]).reshape(2, 2, 1, 1).requires_grad_()
    w = torch.tensor([0.5, 1.0]).reshape(1, 2, 1, 1).requires_grad_()
    logits = (w * x.square()).sum(1, keepdim=True).expand(2, 1, 1, patches)
    penalty = gradient_penalty(logits, x)
    assert penalty.item() == pytest.approx(0.5 * patches * ((1 + 16) + 9) / 2)
    # And its gradient is that of a gradient: d/dw of ½ P · mean Σ (2 w x)².
    penalty.backward()
    expected = [patches * 0.5 * 4 * (1 + 9) / 2, patches * 1.0 * 4 * 4 / 2]
    torch.testing.assert_close(w.grad.flatten(), torch.tensor(expected))


def doubles(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("name", ADVERSARIAL_LOSSES)
def test_adversarial_gradients(name: str) -> None:
    torch.manual_seed(0)
    real, fake = doubles(4, 1), doubles(4, 1)
    assert torch.autograd.gradcheck(ADVERSARIAL_LOSSES[name].generator, (real, fake))
    assert torch.autograd.gradcheck(ADVERSARIAL_LOSSES[name].discriminator, (real, fake))
    # Also for a logit of each pixel.
    assert torch.autograd.gradcheck(ADVERSARIAL_LOSSES[name].discriminator, (doubles(2, 1, 2, 2), doubles(2, 1, 2, 2)))


@pytest.mark.parametrize("name", PIXEL_LOSSES)
def test_pixel_gradients(name: str) -> None:
    torch.manual_seed(0)
    assert torch.autograd.gradcheck(PIXEL_LOSSES[name], (doubles(1, 3, 3, 2), doubles(1, 3, 3, 2)))


def test_the_gradients_of_the_other_terms() -> None:
    torch.manual_seed(0)
    assert torch.autograd.gradcheck(total_variation, (doubles(1, 2, 3, 3),))
    assert torch.autograd.gradcheck(lambda a, b: checkerboard(a, b, scale=2, window=2), (doubles(1, 2, 6, 4),) * 2)
    for distance in losses.DISTANCES:
        for reduction in losses.REDUCTIONS:

            def of(result: Tensor, target: Tensor, distance: str = distance, reduction: str = reduction) -> Tensor:
                return content({"a": result}, {"a": target}, distance=distance, reduction=reduction, rescale=0.3)

            assert torch.autograd.gradcheck(of, (doubles(1, 2, 2, 3), doubles(1, 2, 2, 3)))


def test_the_relativistic_generator_learns_from_both_terms() -> None:
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    ADVERSARIAL_LOSSES["relativistic"].generator(real, fake).backward()
    # d/dfake_i: through the mean of fake in the real term, −½ · mean σ(real − mean fake), and −½ σ(mean real − fake_i).
    through_mean = -(sigmoid(1.5) + sigmoid(3.5)) / 2 / 2
    expected = [through_mean - sigmoid(4) / 2, through_mean - sigmoid(1) / 2]
    torch.testing.assert_close(fake.grad.flatten(), torch.tensor(expected))
    # And through the real branch and its mean, unless the caller detaches it.
    through_mean = (sigmoid(4) + sigmoid(1)) / 2 / 2
    expected = [through_mean + sigmoid(1.5) / 2, through_mean + sigmoid(3.5) / 2]
    torch.testing.assert_close(real.grad.flatten(), torch.tensor(expected))
    again = FAKE.clone().requires_grad_()
    ADVERSARIAL_LOSSES["relativistic"].generator(REAL, again).backward()
    torch.testing.assert_close(again.grad, fake.grad)


@pytest.mark.parametrize("name", ["vanilla", "relativistic", "paired"])
@pytest.mark.parametrize("size", [1e3, 1e30])
def test_large_logits_neither_overflow_nor_lose_their_gradient(name: str, size: float) -> None:
    loss = ADVERSARIAL_LOSSES[name]
    for side in (loss.generator, loss.discriminator):
        for sign in (1, -1):
            real = torch.full((2, 1), sign * size, requires_grad=True)
            fake = torch.full((2, 1), -sign * size, requires_grad=True)
            value = side(real, fake)
            value.backward()
            assert torch.isfinite(value)
            assert torch.isfinite(fake.grad).all()
    # The generator that is fully seen through has the whole gradient: log(1 − D) would leave it none.
    fake = torch.full((2, 1), -size, requires_grad=True)
    loss.generator(torch.full((2, 1), size), fake).backward()
    assert fake.grad.sum().item() == pytest.approx(-2 if name == "relativistic" else -1)
