"""How weights came to be, as a card or a run tells it: a training, that of the weights it started from, and so on."""

import json
from collections.abc import Iterator
from typing import Any


def trainings(told: Any) -> Iterator[dict[str, Any]]:
    """The records of all runs in ``told``, at any depth: a training, that of the weights it started from, and so on; of weights
    made of others, the trainings of these."""
    if isinstance(told, dict):
        if _is_training(told):
            yield told
        for value in told.values():
            yield from trainings(value)


def told_once(told: Any) -> Any:
    """A copy of ``told`` where a run that was told before, in the order of its text, is only named.

    Weights that are made of several have the first runs of all of these in common; told for each of them, a card would grow
    to twice its size whenever its textures go on from a mixture.
    """
    return _once(told, set())


def _once(told: Any, known: set[str]) -> Any:
    if not isinstance(told, dict):
        return told
    if _is_training(told):
        start = told.get("start")
        own = told | {"start": start.get("sha256") if isinstance(start, dict) else start}
        identity = json.dumps(own, sort_keys=True)
        if identity in known:
            return {"name": told.get("name"), "command": told.get("command"), "told": "before"}
        known.add(identity)
    return {key: _once(value, known) for key, value in told.items()}


def _is_training(told: dict[str, Any]) -> bool:
    return isinstance(told.get("recipe"), dict) and isinstance(told.get("data"), dict)
