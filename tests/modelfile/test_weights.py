"""The layout of the weights' file, and the lerp."""

import contextlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from superfine.errors import UserError
from superfine.modelfile import Weights, decode, encode, half, lerp, offsets

FILE = Path("model/fidelity.safetensors")
shapes = hnp.array_shapes(min_dims=1, max_dims=4, max_side=4)
finite = hnp.arrays(np.float16, shapes, elements=st.floats(-60000, 60000, width=16))
names = st.text(min_size=1, max_size=12).filter(lambda name: name != "__metadata__")  # the format's own entry
weights = st.dictionaries(names, finite, min_size=1, max_size=5)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Weights, Weights]:
    a = draw(weights)
    elements = st.floats(-60000, 60000, width=16)
    return a, {name: draw(hnp.arrays(np.float16, values.shape, elements=elements)) for name, values in a.items()}


def identical(a: Weights, b: Weights) -> bool:
    """The same names, shapes and bits."""
    return a.keys() == b.keys() and all(
        a[name].shape == b[name].shape and a[name].tobytes() == b[name].tobytes() for name in a
    )


@given(weights)
def test_what_is_written_is_read(tensors: Weights) -> None:
    assert identical(decode(encode(tensors), FILE), tensors)


@given(weights)
def test_other_readers_of_safetensors_agree(tensors: Weights) -> None:
    assert identical(safetensors.numpy.load(encode(tensors)), tensors)


@given(weights)
def test_the_offsets_point_at_the_tensors(tensors: Weights) -> None:
    data = encode(tensors)
    for name, (begin, length) in offsets(tensors).items():
        assert data[begin : begin + length] == tensors[name].tobytes()


@given(pairs(), st.randoms())
def test_the_header_depends_on_names_and_shapes_only(pair: tuple[Weights, Weights], random) -> None:
    a, b = pair
    names = list(b)
    random.shuffle(names)
    first, second = encode(a), encode({name: b[name] for name in names})
    start = 8 + struct.unpack("<Q", first[:8])[0]
    assert first[:start] == second[:start]
    assert start % 8 == 0


@given(pairs())
def test_the_ends_of_the_dial_are_the_files_bytes(pair: tuple[Weights, Weights]) -> None:
    a, b = pair
    assert encode(lerp(a, b, 0.0)) == encode(a)
    assert encode(lerp(a, b, 1.0)) == encode(b)


@given(pairs(), st.floats(0, 1))
def test_the_lerp_against_float64(pair: tuple[Weights, Weights], alpha: float) -> None:
    a, b = pair
    for name, values in lerp(a, b, alpha).items():
        low, high = a[name].astype(np.float64), b[name].astype(np.float64)
        exact = (1 - alpha) * low + alpha * high
        # Half a step of float16, and what float32 loses where the two nearly cancel.
        tolerance = np.abs(exact) * 2**-11 + 2**-25 + 4e-7 * np.maximum(np.abs(low), np.abs(high))
        assert values.dtype == np.float16
        assert (np.abs(values - exact) <= tolerance).all()


@given(weights, st.floats(0, 1))
def test_between_equal_weights_nothing_moves(tensors: Weights, alpha: float) -> None:
    assert identical(lerp(tensors, tensors, alpha), tensors)


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_dial_out_of_range(alpha: float) -> None:
    one = {"w": np.ones(2, np.float16)}
    with pytest.raises(UserError, match="dial"):
        lerp(one, one, alpha)


def test_a_lerp_of_different_networks() -> None:
    with pytest.raises(UserError, match="different tensors"):
        lerp({"w": np.ones(2, np.float16)}, {"w": np.ones((2, 1), np.float16)}, 0.5)
    with pytest.raises(UserError, match="different tensors"):
        lerp({"w": np.ones(2, np.float16)}, {"v": np.ones(2, np.float16)}, 0.5)


def test_rounding_to_float16_is_to_the_nearest() -> None:
    assert half({"w": np.array([1 + 2**-11 + 1e-6, 0.1], np.float32)})["w"].tolist() == [
        1 + 2**-10,
        float(np.float16(0.1)),
    ]


@pytest.mark.parametrize("value", [70000.0, float("nan"), float("-inf")])
def test_what_float16_cannot_hold_is_refused(value: float) -> None:
    with pytest.raises(UserError, match=r"body\.0\.weight"):
        half({"body.0.weight": np.array([0.0, value], np.float32)})


TENSORS = {"a": np.arange(6, dtype=np.float16).reshape(2, 3), "b": np.ones(3, np.float16)}


@pytest.mark.parametrize("length", range(0, len(encode(TENSORS)), 3))
def test_a_file_that_ends_too_early(length: int) -> None:
    with pytest.raises(
        UserError, match=r"model/fidelity.safetensors: damaged or truncated.*copy the model again"
    ) as error:
        decode(encode(TENSORS)[:length], FILE)
    assert "\n" not in str(error.value)


def rewritten(change) -> bytes:
    """The file with another header."""
    data = encode(TENSORS)
    start = 8 + struct.unpack("<Q", data[:8])[0]
    entries = json.loads(data[8:start])
    changed = change(entries)
    text = json.dumps(entries if changed is None else changed).encode()
    return struct.pack("<Q", len(text)) + text + data[start:]


HEADERS = {
    "no object": lambda entries: [1, 2],
    "no entry": lambda entries: {"a": 5},
    "no offsets": lambda entries: entries["a"].pop("data_offsets") and None,
    "shape of text": lambda entries: entries["a"].update(shape=["6"]),
    "shape of fractions": lambda entries: entries["a"].update(shape=[6.0]),
    "negative shape": lambda entries: entries["a"].update(shape=[-2, -3]),
    "another shape": lambda entries: entries["a"].update(shape=[2, 4]),
    "overlap": lambda entries: entries["b"].update(data_offsets=[6, 12]),
    "gap": lambda entries: entries["b"].update(data_offsets=[14, 20]),
    "beyond the end": lambda entries: entries.update(c={"dtype": "F16", "shape": [9], "data_offsets": [18, 36]}),
    "too few": lambda entries: entries.pop("b") and None,
    "one offset": lambda entries: entries["b"].update(data_offsets=[12]),
    "three offsets": lambda entries: entries["a"].update(data_offsets=[0, 6, 12]),
}


@pytest.mark.parametrize("change", HEADERS.values(), ids=HEADERS.keys())
def test_a_header_that_does_not_fit(change) -> None:
    with pytest.raises(UserError, match=r"fidelity.safetensors: damaged or truncated"):
        decode(rewritten(change), FILE)


def test_tensors_that_are_not_float16() -> None:
    data = safetensors.numpy.save({"a": np.ones(3, np.float32)})
    with pytest.raises(UserError, match=r"fidelity.safetensors: a is F32, a model's weights are F16"):
        decode(data, FILE)


def test_metadata_of_other_writers_is_passed_over() -> None:
    data = safetensors.numpy.save(TENSORS, metadata={"format": "pt"})
    assert identical(decode(data, FILE), TENSORS)


@given(st.binary(max_size=64))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    with contextlib.suppress(UserError):
        decode(data, FILE)
