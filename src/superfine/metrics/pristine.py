"""NIQE's model of pristine pictures: its file, and those that others keep it in."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from struct import error as StructError
from struct import unpack_from
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from superfine.errors import UserError
from superfine.files import whole_file

FEATURES = 36

BUNDLED = Path(__file__).with_name("pristine.safetensors")
"""Fitted for superfine, on other pictures than the original; its ``about`` names them."""


@dataclass(frozen=True, eq=False)
class Pristine:
    """A multivariate Gaussian of the features of pristine pictures: mean (36) and covariance (36×36), float64.

    ``about`` says what it was fitted on, in strings.
    """

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    about: dict[str, str] = field(default_factory=dict)


def write_pristine(model: Pristine, file: Path) -> None:
    """Write ``mean`` and ``covariance`` to a safetensors file, ``about`` to its metadata.

    Raises
    ------
    UserError
        The file cannot be written.
    """
    try:
        with whole_file(file) as part:
            part.write_bytes(save({"mean": model.mean, "covariance": model.covariance}, metadata=model.about))
    except OSError as error:
        raise UserError(f"{file}: cannot be written: {error.strerror}; give another place") from None


def read_pristine(file: Path = BUNDLED) -> Pristine:
    """Read a model: ours, the original's ``modelparameters.mat``, or the ``.npz`` in which it goes round in Python.

    Raises
    ------
    UserError
        The file is missing, damaged, or no such model.
    """
    try:
        if file.suffix == ".mat":
            arrays, about = _read_mat(file.read_bytes()), {"file": file.name}
        elif file.suffix == ".npz":
            with file.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
                arrays, about = {name: stored[name] for name in stored.files}, {"file": file.name}
        else:
            with safe_open(file, framework="numpy") as tensors:
                arrays = {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118 – it is no dict
                about = dict(tensors.metadata() or {})
    except FileNotFoundError:
        raise UserError(f"{file}: does not exist; give a model that `superfine metrics fit-niqe` made") from None
    except (OSError, EOFError, TypeError, ValueError, KeyError, SafetensorError, BadZipFile, zlib.error, StructError):
        raise UserError(
            f"{file}: damaged, or no model of NIQE; give a .safetensors, .npz or .mat file of one"
        ) from None
    for mean, covariance in _NAMES:
        if mean in arrays and covariance in arrays:
            return _checked(arrays[mean], arrays[covariance], about, file)
    raise UserError(f"{file}: holds no model of NIQE (no {' or '.join(name for name, _ in _NAMES)}); give another file")


_NAMES = (("mean", "covariance"), ("mu_prisparam", "cov_prisparam"), ("mu_pris_param", "cov_pris_param"))
"""Ours; the original's in MATLAB; those of its copies in Python."""


def _checked(mean: NDArray[np.float64], covariance: NDArray[np.float64], about: dict[str, str], file: Path) -> Pristine:
    shapes = mean.size, covariance.shape
    numbers = all(array.dtype.kind == "f" and np.isfinite(array).all() for array in (mean, covariance))
    if shapes != (FEATURES, (FEATURES, FEATURES)) or not numbers:
        raise UserError(
            f"{file}: NIQE's model is {FEATURES} means and {FEATURES}×{FEATURES} covariances; give another file"
        )
    return Pristine(mean.reshape(FEATURES).astype(np.float64), covariance.astype(np.float64), about)


def _read_mat(data: bytes) -> dict[str, NDArray[np.float64]]:
    """The real matrices of a MAT-file of level 5: "MAT-File Format", The MathWorks, 2023, chapter 1."""
    if data[126:128] != b"IM":
        raise ValueError("not a little-endian MAT-file of level 5")
    arrays = {}
    for kind, content in _elements(data[128:]):
        if kind == _COMPRESSED:
            ((kind, content),) = _elements(zlib.decompress(content))
        if kind == _MATRIX:
            _, (_, dimensions), (_, name), (number, values), *_ = _elements(content)
            shape = np.frombuffer(dimensions, "<i4")
            arrays[name.decode("ascii")] = (
                np.frombuffer(values, _NUMBERS[number]).astype(np.float64).reshape(shape, order="F")
            )
    return arrays


_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = {1: "<i1", 2: "<u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8"}


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and content of the elements, each of which is filled up to 8 bytes, but for compressed ones."""
    at = 0
    while at < len(data):
        kind, size = unpack_from("<II", data, at)
        if kind >> 16:  # a small one: size and type in four bytes, the content in the next four
            yield kind & 0xFFFF, data[at + 4 : at + 4 + (kind >> 16)]
            at += 8
            continue
        if at + 8 + size > len(data):
            raise ValueError("cut short")
        yield kind, data[at + 8 : at + 8 + size]
        at += 8 + size + (0 if kind == _COMPRESSED else -size % 8)
