"""Recipes, overrides and schedules."""

import pytest

from superfine.errors import UserError
from superfine.training.recipes import Schedule, recipe
from superfine.training.schedules import learning_rate
from superfine.training.settings import override


def test_the_papers_settings() -> None:
    paper = recipe("srresnet-mse")
    assert (paper.loss, paper.steps, paper.batch, paper.patch * paper.network.scale) == ("mse", 1_000_000, 16, 96)
    assert (paper.schedule.rate, paper.betas[0]) == (1e-4, 0.9)
    assert {learning_rate(paper.schedule, step, paper.steps) for step in (0, 500_000, 999_999)} == {1e-4}


def test_something_is_learnt_from() -> None:
    base = recipe("compact-texture")
    assert override(base, {"pixel_weight": "0"}).pixel_weight == 0
    assert override(base, {"pixel_weight": "0", "consistency": "0"}).pixel_weight == 0
    with pytest.raises(
        UserError, match=r"weight, content\.weight, consistency, adversarial_weight: all are 0, so nothing"
    ):
        override(base, {"pixel_weight": "0", "consistency": "0", "adversarial_weight": "0"})


def test_consistency_needs_room_for_the_edges_it_leaves_out() -> None:
    assert override(recipe("compact-fidelity"), {"consistency": "2"}).consistency == 2.0
    with pytest.raises(UserError, match=r"patch: 4, but consistency leaves out two pixels at each edge; give 5"):
        override(recipe("compact-texture"), {"patch": "4"})


def test_checkerboard_needs_room_for_its_window() -> None:
    assert override(recipe("srgan-mse"), {"checkerboard": "20"}).checkerboard == 20.0
    with pytest.raises(UserError, match=r"patch: 7, but checkerboard looks at windows of 8; give that or more"):
        override(recipe("compact-fidelity"), {"checkerboard": "1", "patch": "7"})


def test_features_need_crops_of_their_least_size() -> None:
    settings = {"content.layers": "22,54", "network.scale": "2"}
    assert override(recipe("srresnet-vgg22"), settings | {"patch": "8"}).patch == 8
    with pytest.raises(UserError, match=r"patch: 7 makes crops of 14 HR pixels, too small for conv5_4; give 8 or more"):
        override(recipe("srresnet-vgg22"), settings | {"patch": "7"})
    assert override(recipe("srresnet-mse"), {"patch": "1"}).patch == 1


def test_windows_of_features_are_halved_in_every_layer_and_fit_into_crops() -> None:
    settings = {"content.layers": "12,22", "content.window": "12"}
    assert override(recipe("srresnet-vgg22"), settings).content.window == 12
    with pytest.raises(
        UserError, match=r"content.window: 14 cannot be halved into the positions of 12, 22; give a multiple of 4"
    ):
        override(recipe("srresnet-vgg22"), settings | {"content.window": "14"})
    with pytest.raises(UserError, match=r"content.window: -4 cannot"):
        override(recipe("srresnet-vgg22"), settings | {"content.window": "-4"})
    assert override(recipe("srresnet-vgg22"), settings | {"patch": "3"}).patch == 3
    with pytest.raises(
        UserError, match=r"patch: 2 makes crops of 8 HR pixels, too small for windows of 12; give 3 or more"
    ):
        override(recipe("srresnet-vgg22"), settings | {"patch": "2"})


def test_discriminators_need_crops_that_they_can_halve() -> None:
    assert override(recipe("compact-texture"), {"patch": "10", "network.scale": "2"}).patch == 10
    with pytest.raises(UserError, match=r"patch: 9 makes crops of 18 HR pixels, .* multiple of 4"):
        override(recipe("compact-texture"), {"patch": "9", "network.scale": "2"})
    assert override(recipe("compact-texture"), {"discriminator": "unet", "patch": "10"}).patch == 10
    with pytest.raises(UserError, match=r"patch: 7 makes crops of 28 HR pixels, .* multiple of 8"):
        override(recipe("compact-texture"), {"discriminator": "unet", "patch": "7", "checkerboard": "0"})


def test_a_discriminator_is_shown_no_teachers_results() -> None:
    assert override(recipe("compact-fidelity"), {"teacher_weight": "0.8"}).teacher_weight == 0.8
    with pytest.raises(UserError, match="teacher_weight: a discriminator is to see photographs; leave it 0"):
        override(recipe("compact-texture"), {"teacher_weight": "0.8"})


def test_unknown_recipe() -> None:
    with pytest.raises(UserError, match="'esrgna': unknown; choose one of srcnn"):
        recipe("esrgna")


def test_schedules() -> None:
    cosine = Schedule(rate=2.0, warmup=4)
    assert [learning_rate(cosine, step, 1000) for step in (0, 1)] == pytest.approx([0.5, 1.0], rel=1e-4)
    assert learning_rate(cosine, 500, 1000) == pytest.approx(1.0)
    assert learning_rate(cosine, 1000, 1000) == pytest.approx(0.0)
    halving = Schedule(kind="step", rate=8.0, milestones=(0.5, 0.75))
    assert [learning_rate(halving, step, 100) for step in (0, 49, 50, 74, 75, 99)] == [8, 8, 4, 4, 2, 2]


def test_the_discriminator_learns_at_some_rate() -> None:
    with pytest.raises(UserError, match="discriminator_rate: must be more than 0; 1 gives both networks one rate"):
        override(recipe("srgan-mse"), {"discriminator_rate": "0"})
