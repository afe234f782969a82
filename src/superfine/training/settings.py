"""Settings given as text, such as ``network.channels=64``, put into a recipe."""

from dataclasses import fields, is_dataclass, replace
from types import NoneType
from typing import Any, get_args

from superfine.errors import UserError
from superfine.losses import PSNR_LOSSES
from superfine.networks import DISCRIMINATORS
from superfine.training.recipes import PixelRecipe, one_of

_KIND = "="
"""In a tree of settings, the name of what another one is to take the place of; no setting's name can hold it."""


def override(base: Any, settings: dict[str, str]) -> Any:
    """A copy of the recipe ``base`` with settings given as text, such as ``{"network.channels": "64", "steps": "1000"}``.

    ``none`` stands for None in those that may be None. ``discriminator`` is another one by its name, with its defaults where
    no others are given, such as ``discriminator.channels``.

    Raises
    ------
    UserError
        Unknown setting, a value of the wrong type, values that do not go together, or one without effect.
    """
    tree: dict[str, Any] = {}
    for key, text in settings.items():
        *parents, name = key.split(".")
        node = tree
        for parent in parents:
            if not isinstance(node.setdefault(parent, {}), dict):
                node[parent] = {_KIND: node[parent]}
            node = node[parent]
        if isinstance(node.get(name), dict):
            node[name][_KIND] = text
        else:
            node[name] = text
    made = _replaced(base, tree, "")
    for key in settings:
        if reason := _without_effect(made, key):
            raise UserError(f"--set {key}: has no effect, as {reason}; leave it out, or change that too")
    return made


def _without_effect(recipe: PixelRecipe, key: str) -> str | None:
    """Why the setting ``key`` does nothing in ``recipe``, None where it does something."""
    if key in ("schedule.milestones", "schedule.factor") and recipe.schedule.kind == "cosine":
        return "schedule.kind is cosine"
    if key.startswith("content.") and not recipe.content.weight and key != "content.weight":
        return "content.weight is 0"
    if key in ("loss", "psnr_epsilon") and not recipe.pixel_weight:
        return "pixel_weight is 0"
    if key == "psnr_epsilon" and recipe.loss not in PSNR_LOSSES:
        return f"loss is {recipe.loss}"
    return None


def _replaced(value: Any, tree: dict[str, Any], prefix: str) -> Any:
    """All settings are replaced at once, so that values which belong together can change together."""
    kinds = {entry.name: entry.type for entry in fields(value)}
    changes = {}
    for name, new in tree.items():
        key = prefix + name
        if name not in kinds:
            raise UserError(f"--set {key}: there is no setting {name!r}; choose one of {', '.join(kinds)}")
        current = getattr(value, name)
        if key == "discriminator":
            new = new if isinstance(new, dict) else {_KIND: new}
            if _KIND in new:
                kind = new.pop(_KIND)
                one_of(key, kind, DISCRIMINATORS)
                current = DISCRIMINATORS[kind].config()
        if is_dataclass(current) != isinstance(new, dict) or (isinstance(new, dict) and _KIND in new):
            raise UserError(f"--set {key}: does not name one value; see superfine train --help")
        if isinstance(new, dict):
            changes[name] = _replaced(current, new, key + ".")
        else:
            changes[name] = _parsed(current, get_args(kinds[name]), key, new)
    return replace(value, **changes)


def _parsed(current: Any, choices: tuple[Any, ...], key: str, text: str) -> Any:
    """``text`` as a value of the type of ``current``, or of that which it may have besides None."""
    if NoneType in choices and text.strip().lower() == "none":
        return None
    kind = next(choice for choice in choices if choice is not NoneType) if current is None else type(current)
    try:
        if kind is bool:
            return {"true": True, "false": False}[text.lower()]
        if kind is tuple:
            parts = [part.strip() for part in text.split(",") if part.strip()]
            if all(isinstance(entry, str) for entry in current) and current:
                return tuple(parts)
            return tuple(float(part) for part in parts)
        return kind(text)
    except (KeyError, ValueError):
        other = ", or none" if NoneType in choices else ""
        example = f"a value like {current!r}" if current is not None else f"of the kind {kind.__name__}"
        raise UserError(f"--set {key}={text}: is not {example}; give one of that kind{other}") from None
