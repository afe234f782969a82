"""Muon: what it makes of matrices, what it leaves to Adam, and how fast it learns."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from superfine.data import Pack
from superfine.training.muon import UPDATE, Muon, orthogonal
from superfine.training.pixel_stage import train
from superfine.training.recipes import PixelRecipe
from superfine.training.setup import Options


@pytest.mark.parametrize("shape", [(3, 8, 20), (3, 20, 8), (1, 6, 6)])
def test_orthogonal_keeps_directions_and_evens_out_how_strong_they_are(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    u, _, v = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    strengths = torch.logspace(0, -2, u.shape[2]).expand(shape[0], -1)
    made = u.mT @ orthogonal(u * strengths[:, None] @ v) @ v.mT
    values = made.diagonal(dim1=1, dim2=2)
    assert 0.6 < values.min() < values.max() < 1.3
    assert (made - torch.diag_embed(values)).abs().max() < 1e-4
    assert torch.equal(orthogonal(torch.zeros(shape)), torch.zeros(shape))


def test_a_step_by_hand() -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(3, 4, 3)
    weight, bias = convolution.weight, convolution.bias
    assert bias is not None
    before = weight.detach().clone(), bias.detach().clone()
    optimiser = Muon(convolution.parameters(), lr=0.01)
    momentum = torch.zeros_like(weight)
    expected = before[0]
    for _ in range(2):
        weight.grad, bias.grad = torch.randn_like(weight), torch.full_like(bias, 7.0)
        momentum = 0.95 * momentum + 0.05 * weight.grad
        wanted = (0.95 * momentum + 0.05 * weight.grad).reshape(4, 27)
        direction = orthogonal(wanted[None])[0].view(4, 3, 3, 3)
        expected = expected - 0.01 * UPDATE * 27**0.5 * direction
        optimiser.step()
    torch.testing.assert_close(weight.detach(), expected)
    # Adam takes a step of the rate where the gradient stays the same.
    torch.testing.assert_close(bias.detach(), before[1] - 0.02)


def test_an_update_is_as_large_as_adams() -> None:
    torch.manual_seed(0)
    for shape in ((48, 48, 3, 3), (32, 64, 5, 5), (256, 64, 1, 1)):
        weight = nn.Parameter(torch.zeros(shape))
        weight.grad = torch.randn(shape)
        Muon([weight], lr=1.0).step()
        assert weight.detach().square().mean().sqrt() == pytest.approx(UPDATE, rel=0.2)


def test_a_single_filter_is_no_matrix() -> None:
    weight = nn.Parameter(torch.zeros(1, 8, 3, 3))
    weight.grad = torch.randn(weight.shape)
    Muon([weight], lr=0.5).step()
    torch.testing.assert_close(weight.detach(), -0.5 * weight.grad.sign(), rtol=1e-5, atol=1e-5)


def test_weak_directions_are_learnt_as_fast_as_strong_ones() -> None:
    """A convolution, half of whose channels see a ten times weaker input, and so have a hundred times weaker gradients."""
    torch.manual_seed(0)
    network, truth = nn.Conv2d(8, 8, 1, bias=False), nn.Conv2d(8, 8, 1, bias=False)
    strengths = torch.tensor([1.0] * 4 + [0.1] * 4)[:, None, None]
    optimiser = Muon(network.parameters(), lr=0.1)
    for step in range(200):
        x = torch.randn(4, 8, 8, 8) * strengths
        for group in optimiser.param_groups:
            group["lr"] = 0.1 * (1 - step / 200)
        optimiser.zero_grad()
        (network(x) - truth(x)).square().mean().backward()
        optimiser.step()
    error = (network.weight - truth.weight).detach().abs()
    assert error.max() < 0.05


def test_it_resumes_bit_for_bit(small_pack: Pack, small_recipe: PixelRecipe, tmp_path: Path) -> None:
    recipe = replace(small_recipe, optimiser="muon", steps=12)
    whole = train("small", recipe, small_pack, tmp_path / "whole")
    assert not train("small", recipe, small_pack, tmp_path / "cut", options=Options(minutes=0.0)).finished
    cut = train("small", recipe, small_pack, tmp_path / "cut")
    file = "weights.safetensors"
    assert (cut.path / file).read_bytes() == (whole.path / file).read_bytes()
