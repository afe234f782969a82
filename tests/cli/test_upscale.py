"""``superfine upscale`` as people type it; in a process of its own where that is what counts."""

import os
import re
import resource
import signal
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import superfine
from superfine import modelfile
from superfine.cli.main import main
from superfine.images import Picture, read, write

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The least that is a model: each pixel becomes 4×4 equal ones, by a convolution."""
    weight = np.zeros((48, 3, 1, 1), np.float32)
    for channel in range(3):
        weight[16 * channel : 16 * (channel + 1), channel] = 1
    weights = modelfile.half({"weight": weight})
    tensor = TensorProto(name="weight", data_type=TensorProto.FLOAT16, data_location=TensorProto.EXTERNAL)
    tensor.dims.extend(weight.shape)
    offset, length = modelfile.offsets(weights)["weight"]
    for key, value in (("location", "fidelity.safetensors"), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["weight"], ["w"], to=TensorProto.FLOAT),
            helper.make_node("Conv", ["x", "w"], ["d"]),
            helper.make_node("DepthToSpace", ["d"], ["y"], blocksize=4, mode="CRD"),
        ],
        "repeat",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3, "H", "W"])],
        [tensor],
    )
    proto: onnx.ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    card = modelfile.Card(
        name="repeat",
        architecture="test",
        config={},
        scale=4,
        radius=0,
        variants={"fidelity": modelfile.Variant("fidelity.safetensors")},
        licence="none",
    )
    folder = tmp_path_factory.mktemp("models") / "repeat"
    modelfile.write_model(folder, card, proto.SerializeToString(), {"fidelity": weights})
    return folder


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "superfine", "upscale", *map(str, arguments)]


@pytest.fixture
def upscale(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command in this process, whose start takes longer than all else."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, device: str = "cpu") -> subprocess.CompletedProcess[str]:
        named = () if "--model" in arguments else ("--model", model)
        words = ["upscale", *map(str, (*arguments, *named)), "--device", device]
        capsys.readouterr()
        status = main(words)
        return subprocess.CompletedProcess(words, status, *capsys.readouterr())

    return run


@pytest.fixture
def started(model: Path, tmp_path: Path) -> Run:
    """The command in a process of its own."""

    def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*arguments, "--model", model, "--device", "cpu"),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            **options,  # type: ignore[call-overload]
        )

    return run


LEGAL_NAMES = ["[n=-1] 100%d.png", 'it\'s "q" 猫.jpg', "line\nbreak.png", 250 * "b" + ".png", "caf\udce9.png"]


def noise(height: int = 9, width: int = 11) -> Picture:
    return Picture(pixels=np.random.default_rng(0).random((height, width, 3), dtype=np.float32))


def one_line(result: subprocess.CompletedProcess[str], pattern: str) -> None:
    """Status 1, and one line for the user on stderr, without a traceback."""
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr
    assert re.search(rf"^superfine: {pattern}$", result.stderr, re.MULTILINE), result.stderr


def bomb(path: Path, width: int, height: int) -> None:
    """A PNG whose header promises more than anyone wants to decode."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))


def test_a_photograph(started: Run, tmp_path: Path) -> None:
    write(noise(), tmp_path / "photo.png")
    result = started("photo.png")
    assert result.returncode == 0, result.stderr
    assert re.fullmatch(
        r"1 of 1 enlarged 4 times, in photo@4x\.png, by repeat \(dial 0, OpenVINO CPU (bf16|f32)\), [\d.]+ s\n",
        result.stdout,
    )
    assert result.stderr == "superfine: photo.png -> photo@4x.png\n"
    source, output = read(tmp_path / "photo.png").pixels, read(tmp_path / "photo@4x.png").pixels
    np.testing.assert_allclose(output, source.repeat(4, 0).repeat(4, 1), atol=1.1 / 255)


def test_results_of_another_size(upscale: Run, tmp_path: Path) -> None:
    source = noise()
    write(source, tmp_path / "photo.png")
    height, width, _ = source.pixels.shape
    for arguments, name, factor, text in (
        (("--scale", "2"), "photo@2x.png", 2, "2 times"),
        (("--scale", "1.0"), "photo@1x.png", 1, "1 times"),
        (("--width", 8 * width), f"photo@{8 * width}w.png", 8, f"to a width of {8 * width}"),
        (("--width", 9 * width, "--height", 3 * height), f"photo@{9 * width}x{3 * height}.png", 3, "to fit "),
    ):
        result = upscale("photo.png", *arguments)
        assert result.returncode == 0, result.stderr
        assert result.stdout.startswith(f"1 of 1 enlarged {text}")
        assert read(tmp_path / name).pixels.shape == (factor * height, factor * width, 3)
    again = upscale(".", "--scale", "2")
    assert "earlier results (3), such as photo@1x.png, are passed over" in again.stderr
    assert again.stdout.startswith("0 of 1 enlarged 2 times, 1 skipped, by repeat")
    small = upscale("photo.png", "--height", height - 1)
    one_line(small, rf"photo\.png: has {width} × {height} pixels already, more than .*")
    assert small.stdout.startswith(f"0 of 1 enlarged to a height of {height - 1}, 1 refused, by repeat")


def test_the_self_ensemble(upscale: Run, tmp_path: Path) -> None:
    write(noise(), tmp_path / "photo.png")
    result = upscale("photo.png", "--self-ensemble", "--model", "compact-x4", "--dial", "texture")
    assert result.returncode == 0, result.stderr
    assert "by compact-x4 (dial texture, self-ensemble, OpenVINO CPU " in result.stdout
    model = superfine.load("compact-x4", dial="texture", self_ensemble=True)
    expected = model.upscale(read(tmp_path / "photo.png").pixels)
    np.testing.assert_allclose(read(tmp_path / "photo@4x.png").pixels, expected, atol=0.51 / 255)


def test_a_folder_with_every_kind_of_bad_file(upscale: Run, tmp_path: Path) -> None:
    """The good ones are done, each bad one is told of in one line, and nothing else is written."""
    album = tmp_path / "album"
    (album / "sub").mkdir(parents=True)
    write(noise(), album / "good.png")
    write(noise(), album / "sub" / "größe 大.jpg")
    (album / "notes.txt").write_text("not a picture")
    (album / "empty.png").touch()
    (album / "text.png").write_text("not a picture")
    write(noise(300, 300), album / "cut.jpg")
    (album / "cut.jpg").write_bytes((album / "cut.jpg").read_bytes()[:5000])
    bomb(album / "bomb.png", 50_000, 50_000)
    result = upscale("album", "-o", "large/new")
    assert result.stdout.startswith("2 of 6 enlarged 4 times, in large/new, 4 failed, by repeat")
    for name in ("empty.png", "text.png", "cut.jpg", "bomb.png"):
        one_line(result, rf"album/{name}: .*")
    one_line(result, r"album/bomb\.png: .*megapixels.*; .*")
    written = sorted(path.relative_to(tmp_path / "large").as_posix() for path in (tmp_path / "large").rglob("*.*"))
    assert written == ["new/good.png", "new/sub/größe 大.jpg"]


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="needs file names of any bytes")
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_names_of_every_kind(started: Run, tmp_path: Path, encoding: str) -> None:
    """Each is told of in one line, whatever it holds and whatever standard output can show."""
    (tmp_path / "album").mkdir()
    for name in LEGAL_NAMES:
        write(noise(), tmp_path / "album" / name)
    result = started("album", "-o", "large\n", env={**os.environ, "PYTHONIOENCODING": encoding})
    assert result.returncode == 0, result.stderr
    assert sorted(path.name for path in (tmp_path / "large\n").iterdir()) == sorted(LEGAL_NAMES)
    assert len(result.stderr.splitlines()) == len(LEGAL_NAMES)
    assert result.stdout.startswith(f"{len(LEGAL_NAMES)} of {len(LEGAL_NAMES)} enlarged 4 times, in large\\n, by")
    assert result.stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        (("missing.png",), r"missing\.png: .*; .*"),
        (("https://example.com/photo.png",), r"https://example\.com/photo\.png: is an address; download .*"),
        (("photo.png", "--model", "wonder"), r"wonder: no bundled model .*"),
        (("photo.png", "--tile", 3), r"tile 3: too small; give 16 or more, or leave it out"),
        (("photo.png", "--dial", 0.5), r"dial 0\.5: .*"),
        (("photo.png", "--dial", "vivid"), r"dial 'vivid': .*"),
        (("photo.png", "--format", "bmp"), r"format bmp: unknown; choose one of png, .*"),
        (("photo.jpg", "--quality", 900), r"quality 900: out of range; .*"),
        (("photo.png", "--scale", 0.5), r"scale 0\.5: out of range; choose 1 \(restored, no larger\) or more"),
        (("photo.png", "--scale", 2, "--width", 9), r"give either --scale, or --width and --height"),
        (("photo.png", "--model", 300 * "m"), r"m+: no bundled model .*"),
        (("photo.png", "-o", 300 * "o" + ".png"), r"o+\.png: .*too long; choose a shorter name"),
        (("photo.png", "-o", "photo.xyz"), r"photo\.xyz: .*; .*"),
    ],
)
def test_what_is_refused(upscale: Run, tmp_path: Path, arguments: tuple[object, ...], pattern: str) -> None:
    write(noise(), tmp_path / "photo.png")
    write(noise(), tmp_path / "photo.jpg")
    one_line(upscale(*arguments), pattern)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo.jpg", "photo.png"]


def test_unknown_device(upscale: Run, tmp_path: Path) -> None:
    write(noise(), tmp_path / "photo.png")
    one_line(upscale("photo.png", device="gpu"), r"device gpu: unknown; choose one of auto, cpu, torch, .*")


def test_a_tile_that_is_no_number(upscale: Run, tmp_path: Path) -> None:
    result = upscale("photo.png", "--tile", "big")
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    assert "tile" in result.stderr + result.stdout


def test_what_exists_is_refused(upscale: Run, tmp_path: Path) -> None:
    write(noise(), tmp_path / "photo.png")
    (tmp_path / "out.png").write_bytes(b"precious")
    one_line(upscale("photo.png", "-o", "out.png"), r"out\.png: exists already; give --overwrite .*")
    assert (tmp_path / "out.png").read_bytes() == b"precious"


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX limits")
def test_a_full_disk(started: Run, tmp_path: Path) -> None:
    """The limit on a file's size stands for it: writing fails in the middle of the file."""
    write(noise(200, 200), tmp_path / "photo.png")
    limit = 20_000
    result = started(
        "photo.png", "-o", "out.tif", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    )
    one_line(result, r"out\.tif: .*; .*")
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX permissions")
def test_a_folder_that_cannot_be_written(upscale: Run, tmp_path: Path) -> None:
    write(noise(), tmp_path / "photo.png")
    if os.geteuid() == 0:
        # To root every folder is writable; a file in the folder's place is not one.
        (tmp_path / "locked").touch()
    else:
        (tmp_path / "locked").mkdir(mode=0o500)
    one_line(upscale("photo.png", "-o", "locked/out"), r"(photo\.png: )?locked.*: .*; .*")


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt(model: Path, tmp_path: Path, number: signal.Signals) -> None:
    write(noise(), tmp_path / "a.png")
    write(noise(1200, 1200), tmp_path / "b.png")
    run = subprocess.Popen(
        command("a.png", "b.png", "--model", model, "--device", "cpu", "--tile", "16"),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stderr is not None
    assert run.stderr.readline() == "superfine: a.png -> a@4x.png\n"
    run.send_signal(number)
    stdout, stderr = run.communicate(timeout=60)
    assert run.returncode == 130, stderr
    assert stderr == "superfine: interrupted; 1 of 2 pictures were done\n"
    assert stdout.startswith("1 of 2 enlarged")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a@4x.png", "b.png"]


def test_the_start_imports_only_what_enlarging_needs(model: Path, tmp_path: Path) -> None:
    child = [
        sys.executable,
        "-X",
        "importtime",
        *command(tmp_path / "absent.png", "--model", model, "--device", "cpu")[1:],
    ]
    said = subprocess.run(child, capture_output=True, text=True, check=False).stderr
    imported = {line.rpartition("|")[2].strip() for line in said.splitlines() if line.startswith("import time:")}
    assert "openvino._pyopenvino" in imported
    assert not {"openvino_telemetry", "torch", "onnx", "rich", "scipy"} & imported
