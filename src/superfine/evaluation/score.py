"""What an evaluation found: the scores of each method on each set, and all that tables, figures and reports are made of."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from superfine.errors import UserError
from superfine.files import folder_name, whole_file

FORMAT = 1
"""The version of ``scores.json`` that this code reads and writes."""

FILE = "scores.json"
PICTURES = "pictures"

_INFINITE = {"inf": math.inf, "-inf": -math.inf}


@dataclass(frozen=True)
class Score:
    """One method on one set.

    Parameters
    ----------
    method, set
        As they are called in the table.
    scale
        Output pixels for each input pixel, along one side.
    protocol
        A key of ``superfine.metrics.PROTOCOLS``.
    metrics
        Keys of ``superfine.metrics.METRICS``, in the order they were asked for.
    pictures
        Of each picture that could be scored its values, by metric. The PSNR of identical pictures is infinite.
    notes
        Of single pictures: why one is not scored, or what to know of it.
    failed
        The names in ``notes`` that were not scored.
    seconds_per_megapixel
        Seconds that the network takes for a megapixel of output, on this machine; None where nothing was computed, as for
        ready-made pictures.
    """

    method: str
    set: str
    scale: int
    protocol: str
    metrics: tuple[str, ...]
    pictures: dict[str, dict[str, float]]
    notes: dict[str, str] = field(default_factory=dict)
    failed: tuple[str, ...] = ()
    seconds_per_megapixel: float | None = None

    def mean(self, metric: str) -> float:
        """Mean of the pictures' values (of PSNR not that of their pooled error); infinite ones are left out.

        NaN if no picture was scored, infinite if all are infinite.

        Raises
        ------
        ValueError
            A metric that was not measured.
        """
        if metric not in self.metrics:
            raise ValueError(f"{metric!r} was not measured, only {', '.join(self.metrics)}")
        values = self._in_the_mean(metric)
        return math.fsum(values) / len(values) if values else math.nan

    def counted(self, metric: str) -> tuple[int, int]:
        """Of how many pictures :meth:`mean` is, of how many; means of other pictures do not compare."""
        return len(self._in_the_mean(metric)), len(self.pictures) + len(self.failed)

    def whole(self, metric: str) -> bool:
        """Whether :meth:`mean` is of all pictures."""
        counted, of = self.counted(metric)
        return counted == of

    def _in_the_mean(self, metric: str) -> list[float]:
        values = [picture[metric] for picture in self.pictures.values()]
        return [value for value in values if math.isfinite(value)] or values


@dataclass(frozen=True)
class Evaluation:
    """All that a table, a figure and a report are made of.

    Parameters
    ----------
    scores
        One for each method and set; the methods in the order they were given, and the sets within each.
    command
        What was typed.
    versions
        Of superfine and the libraries that compute, by name.
    hashes
        SHA-256 of each method (the model's files and dial, or the ready-made pictures), by its name.
    pictures
        The folder that holds the pictures, see :meth:`picture`. It need not exist: results are kept only where asked for.
    recipes
        Of each method that has one, the name by which published rows are found: the interpolation, the recipe a model
        was trained with.
    weights
        Of each metric that took its weights, its model or (PI) Ma's scores from a file that was named: this file.
    """

    scores: tuple[Score, ...]
    command: str
    versions: dict[str, str]
    hashes: dict[str, str]
    pictures: Path
    recipes: dict[str, str] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)

    @property
    def methods(self) -> tuple[str, ...]:
        """Names in the order they were given."""
        return tuple(dict.fromkeys(score.method for score in self.scores))

    @property
    def sets(self) -> tuple[str, ...]:
        """Names in the order they were given."""
        return tuple(dict.fromkeys(score.set for score in self.scores))

    def score(self, method: str, set: str) -> Score:
        """The score of ``method`` on ``set``.

        Raises
        ------
        KeyError
            There is none.
        """
        for score in self.scores:
            if (score.method, score.set) == (method, set):
                return score
        raise KeyError((method, set))

    def picture(self, set: str, method: str, name: str) -> Path:
        """Where the result of ``method`` on a picture is kept, as an 8-bit PNG.

        ``HR`` and ``LR`` in place of a method are the original, cropped to a multiple of the scale, and its
        low-resolution twin.
        """
        return self.pictures / folder_name(set) / folder_name(method) / f"{folder_name(name)}.png"

    def to_json(self) -> str:
        """The text of ``scores.json``. Infinite values are the strings "inf" and "-inf"; the folder of pictures is left out."""
        data = {"format": FORMAT} | asdict(self)
        del data["pictures"]
        return json.dumps(_infinities_as_text(data), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, file: Path) -> "Evaluation":
        """Read the text of ``file``, beside which the folder of pictures lies.

        Raises
        ------
        UserError
            Broken JSON, another format, something missing.
        """
        try:
            data = json.loads(text)
            if data.pop("format") != FORMAT:
                raise UserError(f"{file}: written by another version of superfine; evaluate again")
            scores = tuple(_score(entry) for entry in data.pop("scores"))
            return cls(scores=scores, pictures=file.parent / PICTURES, **data)
        except (KeyError, TypeError, AttributeError, RecursionError, json.JSONDecodeError) as error:
            raise UserError(f"{file}: damaged, no scores of superfine's ({error}); evaluate again") from None

    def save(self, out: Path) -> Path:
        """Write ``scores.json`` into the folder ``out``, whole or not at all."""
        file = out / FILE
        with whole_file(file) as part:
            # A file's name may hold bytes that are no text; as backslashes they are JSON's own escapes.
            part.write_bytes(self.to_json().encode("utf-8", "backslashreplace"))
        return file


def read_evaluation(out: Path) -> Evaluation:
    """The evaluation that was written into the folder ``out``.

    Raises
    ------
    UserError
        There is none, or it is damaged.
    """
    file = Path(out) / FILE
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise UserError(f"{file}: {reason}; make it with `superfine evaluate ... -o {out}`") from None
    return Evaluation.from_json(text, file)


def _score(entry: Mapping[str, Any]) -> Score:
    pictures = {
        name: {metric: _INFINITE.get(value, value) for metric, value in values.items()}
        for name, values in entry["pictures"].items()
    }
    sequences = {key: tuple(entry[key]) for key in ("metrics", "failed")}
    return Score(**{**entry, **sequences, "pictures": pictures})


def _infinities_as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _infinities_as_text(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_infinities_as_text(entry) for entry in value]
    return str(value) if isinstance(value, float) and math.isinf(value) else value
