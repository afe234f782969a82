"""What can be scored: interpolations, models with their variants and dial, and folders of pictures that are ready-made."""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from superfine import zoo
from superfine.engine import load
from superfine.engine.backends import BACKENDS, resolved
from superfine.errors import UserError
from superfine.evaluation.cache import key, library_versions
from superfine.evaluation.sets import BenchmarkSet, sha256
from superfine.files import folder_name
from superfine.images import imresize, is_picture, read
from superfine.metrics.pairs import Item, Pair, ambiguous, has_colours, matched, own_name, pictures_in, searched
from superfine.modelfile import GRAPH, ModelFolder, encode, open_model, parse_dial
from superfine.modelfile.dial import mixture

INTERPOLATIONS = ("nearest", "bilinear", "bicubic")
SELF_ENSEMBLE = "+"
"""Behind a model, as in the papers' tables: enlarged in all eight orientations (:mod:`superfine.engine.self_ensemble`)."""
RESERVED = ("HR", "LR")
"""What the folders of the originals and their twins are called, beside those of the methods."""


BESIDE_RESULTS = ("name", "licence", "variants", "files", "dial")
"""What of a card changes no result; of the files, the ones in use are hashed by themselves."""


@dataclass(frozen=True)
class Result:
    """A large picture, RGB H×W×3, float32 in [0,1] or levels of 0–255 in uint8, and what to know of it."""

    pixels: NDArray[Any]
    note: str = ""


Produce = Callable[[BenchmarkSet, Item, Pair], Result]


class Method(Protocol):
    """One way to large pictures.

    Attributes
    ----------
    name
        In tables, unique among the methods of an evaluation.
    recipe
        The name by which published rows are found, or nothing.
    scale
        Output pixels for each input pixel along one side; None if any.
    computes
        Whether a result depends on the low-resolution picture and takes time, or is ready-made.
    """

    @property
    def name(self) -> str: ...
    @property
    def recipe(self) -> str: ...
    @property
    def scale(self) -> int | None: ...
    @property
    def computes(self) -> bool: ...

    def fingerprint(self, bench: BenchmarkSet, item: Item) -> str:
        """All, beside the low-resolution picture, that the result depends on; a UserError if there is no result."""

    def hash(self, sets: Sequence[BenchmarkSet]) -> str:
        """SHA-256 of the method; of ready-made pictures, that of all that ``sets`` ask for."""

    def ready(self, callers: int) -> Produce:
        """Load what is needed. So many threads may call the function at once; it raises a UserError where a picture fails."""


@dataclass(frozen=True)
class Interpolation:
    """A baseline: MATLAB's ``imresize`` with one of its kernels, clipped to [0,1]."""

    kernel: str
    scale: int | None = None
    computes: bool = True

    @property
    def name(self) -> str:
        return self.kernel

    @property
    def recipe(self) -> str:
        return self.kernel

    def fingerprint(self, bench: BenchmarkSet, item: Item) -> str:
        """See :class:`Method`."""
        return f"imresize {self.kernel}"

    def hash(self, sets: Sequence[BenchmarkSet]) -> str:
        """See :class:`Method`."""
        return hashlib.sha256(f"imresize {self.kernel}".encode()).hexdigest()

    def ready(self, callers: int) -> Produce:
        """See :class:`Method`."""
        return lambda bench, item, pair: Result(
            imresize(pair.lr, scale=float(bench.scale), kernel=self.kernel).clip(0.0, 1.0)
        )


@dataclass(frozen=True)
class Network:
    """A model folder at one position of its dial; ``digest`` is that of its graph, of the weights at this position,
    and of what else the results depend on."""

    name: str
    folder: ModelFolder
    dial: float | str
    device: str
    digest: str
    self_ensemble: bool = False
    computes: bool = True

    @property
    def scale(self) -> int:
        return self.folder.card.scale

    @property
    def place(self) -> tuple[str, str, float]:
        """Between which two variants the dial stands, and how far from the first."""
        return mixture(self.dial, self.folder.card.variants, self.folder.card.name)

    @property
    def variant(self) -> str | None:
        """The variant that the dial points at; None for a mixture, or a self-ensemble."""
        start, end, _ = self.place
        return start if start == end and not self.self_ensemble else None

    @property
    def recipe(self) -> str:
        """Of its training, as the card tells; nothing where there is no variant, or for a model that was imported."""
        if self.variant is None:
            return ""
        return str(self.folder.card.variants[self.variant].training.get("name", ""))

    def fingerprint(self, bench: BenchmarkSet, item: Item) -> str:
        """See :class:`Method`."""
        return f"{self.digest} {resolved(self.device)} {library_versions()}"

    def hash(self, sets: Sequence[BenchmarkSet]) -> str:
        """See :class:`Method`."""
        return self.digest

    def ready(self, callers: int) -> Produce:
        """See :class:`Method`."""
        model = load(
            self.folder.path, device=self.device, dial=self.dial, callers=callers, self_ensemble=self.self_ensemble
        )
        turn = nullcontext() if model.backend.callers >= callers else Lock()

        def produce(bench: BenchmarkSet, item: Item, pair: Pair) -> Result:
            notices: list[str] = []
            with turn:
                # Of a grey original the mean of the channels is rounded, not each.
                strips = list(model.strips(pair.lr, notice=notices.append, rounded=not pair.grey))
            pixels = strips[0] if len(strips) == 1 else np.concatenate(strips)
            return Result(pixels, "; ".join(dict.fromkeys(notices)))

        return produce


@dataclass(frozen=True)
class ReadyMade:
    """A folder of pictures from any other tool, found by their names (see :func:`superfine.metrics.pairs.matched`).

    The pictures of a set are looked for in the folder of its name inside, if there is one, else in the folder itself.
    """

    name: str
    path: Path
    recipe: str = ""
    scale: int | None = None
    computes: bool = False
    _files: dict[str, dict[str, list[Path]]] = field(default_factory=dict, repr=False, compare=False)

    def fingerprint(self, bench: BenchmarkSet, item: Item) -> str:
        """See :class:`Method`."""
        return sha256(self._file(bench, item))

    def hash(self, sets: Sequence[BenchmarkSet]) -> str:
        """See :class:`Method`."""
        digest = hashlib.sha256()
        for bench in sets:
            for item in bench.items:
                with suppress(UserError):
                    line = f"{bench.name} {item.name} {self.fingerprint(bench, item)}\n"
                    digest.update(line.encode("utf-8", "backslashreplace"))  # a name may hold bytes that are no text
        return digest.hexdigest()

    def ready(self, callers: int) -> Produce:
        """See :class:`Method`."""
        return self._read

    def _read(self, bench: BenchmarkSet, item: Item, pair: Pair) -> Result:
        file = self._file(bench, item)
        picture = read(file)
        height, width = picture.pixels.shape[:2]
        if picture.pixels.shape != pair.hr.shape:
            tall, wide = pair.hr.shape[:2]
            uncropped = 0 <= height - tall < bench.scale and 0 <= width - wide < bench.scale
            way_out = "crop it to that" if uncropped else f"make it {bench.scale} times as large as its input"
            raise UserError(f"{file}: is {width}×{height}, its original {wide}×{tall}; {way_out}")
        if pair.grey and has_colours(picture.pixels):
            return Result(picture.pixels, "in colour, its original is grey: scored on the mean of its channels")
        if picture.grey and not pair.grey and has_colours(pair.hr):
            raise UserError(f"{file}: is grey, its original is in colour; write it in colour")
        return Result(picture.pixels)

    def _file(self, bench: BenchmarkSet, item: Item) -> Path:
        folder = self._folder(bench.name)
        if bench.name not in self._files:
            self._files[bench.name], _ = matched(pictures_in(folder), [item.name for item in bench.items])
        files = self._files[bench.name][item.name]
        if len(files) == 1:
            return files[0]
        raise UserError(ambiguous(files, item.name) or f"{folder}: has no picture of {item.name}; add {item.name}.png")

    def _folder(self, set: str) -> Path:
        # Compared without case: "set5" is a common name for Set5.
        with searched(self.path):
            inside = {path.name.casefold(): path for path in self.path.iterdir() if path.is_dir()}
        return inside.get(set.casefold(), self.path)


def open_methods(given: Sequence[str], *, device: str = "auto") -> tuple[Method, ...]:
    """Understand what was given; no network is loaded yet.

    Parameters
    ----------
    given
        ``nearest``, ``bilinear``, ``bicubic``; a bundled model, or a model folder, perhaps with a variant or a position of
        the dial behind a colon (``compact-x4:texture``, ``compact-x4:0.6``), and ``+`` for its self-ensemble
        (``compact-x4+``); a folder of pictures.
    device
        For the networks, see :func:`superfine.load`.

    Raises
    ------
    UserError
        None of these; a damaged model; an unknown device, variant or position of the dial; one method given twice.
    """
    if device not in BACKENDS:
        raise UserError(f"device {device}: unknown; choose one of {', '.join(BACKENDS)}")
    methods: list[Method] = []
    taken = {name.casefold() for name in RESERVED}
    owners: dict[str, Path] = {}
    for text in given:
        method = _opened(text, device)
        if isinstance(method, Network):
            path = method.folder.path.resolve()
            if owners.setdefault(method.folder.card.name, path) != path:
                # Another model's dial is no part of this one's curve.
                method = _renamed(method, text)
            elif same := next((other for other in methods if _same(method, other)), None):
                raise UserError(f"{text}: is {same.name}, which is given already; give each once")
        if folder_name(method.name).casefold() in taken:
            # Two folders may hold models, or pictures, of one name.
            method = _renamed(method, text)
        if folder_name(method.name).casefold() in taken:
            if folder_name(method.name) in RESERVED:
                raise UserError(
                    f"{text}: {method.name} is what the originals or their twins are called; rename the folder"
                )
            raise UserError(f"{text}: another method is called {method.name} too; give each once, or rename a folder")
        taken.add(folder_name(method.name).casefold())
        methods.append(method)
    return tuple(methods)


def common_scale(methods: Sequence[Method], asked: int | None = None) -> int:
    """The scale of all models; ``asked``, or 4, if there are none.

    Raises
    ------
    UserError
        Models of different scales, or of another than was asked for.
    """
    scales = {method.scale: method.name for method in methods if method.scale is not None}
    if asked is not None and asked < 1:
        raise UserError(f"--scale {asked}: must be 1 or more")
    for scale, name in scales.items():
        if asked not in (None, scale):
            raise UserError(f"{name}: enlarges {scale} times, not {asked}; leave out --scale or the model")
    if len(scales) > 1:
        both = ", ".join(f"{name} {scale} times" for scale, name in scales.items())
        raise UserError(f"models of different scales ({both}) do not compare; evaluate them one by one")
    return next(iter(scales), asked or 4)


def _opened(text: str, device: str) -> Method:
    if text in INTERPOLATIONS:
        return Interpolation(text)
    self_ensemble = text.endswith(SELF_ENSEMBLE) and not zoo.is_there(Path(text))
    path, dial = zoo.find_with_dial(text.removesuffix(SELF_ENSEMBLE) if self_ensemble else text)
    with searched(path):
        no_model = path.is_dir() and not any((path / name).exists() for name in ("model.json", "run.json"))
    if no_model:
        if dial is not None or not _holds_pictures(path):
            raise UserError(f"{path}: holds neither a model nor pictures that can be read; check the folder")
        if self_ensemble:
            raise UserError(f"{path}: holds pictures, not a model; leave out the {SELF_ENSEMBLE}")
        return ReadyMade(own_name(path), path)
    folder = open_model(path)
    position = 0.0 if dial is None else parse_dial(dial)
    weights = encode(folder.dialled(position))
    facts = {name: value for name, value in vars(folder.card).items() if name not in BESIDE_RESULTS}
    if self_ensemble:
        facts["self_ensemble"] = True
    digest = key(graph=folder.card.files[GRAPH], weights=hashlib.sha256(weights).hexdigest(), **facts)
    name = folder.card.name if dial is None else f"{folder.card.name}:{dial}"
    return Network(name + SELF_ENSEMBLE * self_ensemble, folder, position, device, digest, self_ensemble)


def _holds_pictures(path: Path) -> bool:
    """Whether a folder holds pictures, or folders with pictures."""
    with searched(path):
        inside = list(path.iterdir())
        folders = [entry for entry in inside if entry.is_dir()]
        return any(map(is_picture, inside)) or any(is_picture(file) for folder in folders for file in folder.iterdir())


def _same(one: Method, other: Method) -> bool:
    """Whether both are one model at one position of its dial."""
    return (
        isinstance(one, Network)
        and isinstance(other, Network)
        and one.folder.path.resolve() == other.folder.path.resolve()
        and (one.place, one.self_ensemble) == (other.place, other.self_ensemble)
    )


def _renamed(method: Method, name: str) -> Method:
    return replace(method, name=name) if isinstance(method, Network | ReadyMade) else method
