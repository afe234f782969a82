"""How fast the engine is beside the other ways to run the same weights on this CPU.

Every contender gets the same float32 picture, height × width × 3, and must give float32 pixels in [0,1] in the same layout.
They take turns in random order, so a busy machine slows all of them alike; printed are medians and ratios within the run, and
each contender's difference from torch in float32, relative to the output's spread, as the weights are random. The device is
the CPU throughout.

    python benchmarks/engine.py [--rounds 9] [--side 256] [compact srresnet]
"""

import argparse
import copy
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import openvino as ov
import torch
from numpy.typing import NDArray
from torch import nn

import superfine
from superfine import modelfile, networks
from superfine.checkpoints.graph import export_graph
from superfine.networks.fold import fold

Pixels = NDArray[np.float32]
Run = Callable[[Pixels], Pixels]

NETWORKS = {"compact": {"convs": 16, "channels": 48}, "srresnet": {}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(NETWORKS), help="compact, srresnet")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--side", type=int, default=256)
    options = parser.parse_args()
    for name in options.names:
        compare(name, options.side, options.rounds)


def compare(name: str, side: int, rounds: int) -> None:
    pixels = np.random.default_rng(0).random((side, side, 3), dtype=np.float32)
    with tempfile.TemporaryDirectory() as directory:
        network, folder = publish(name, Path(directory) / name)
        runs = contenders(network, folder, Path(directory) / "graph", side)
    truth = runs["torch f32 eager"](pixels)
    errors = {label: float(np.sqrt(np.mean((run(pixels) - truth) ** 2)) / truth.std()) for label, run in runs.items()}
    times: dict[str, list[float]] = {label: [] for label in runs}
    for round_ in range(rounds):
        for label in random.Random(round_).sample(list(runs), len(runs)):
            # Threads of the one before may still be spinning.
            time.sleep(0.1)
            begun = time.perf_counter()
            runs[label](pixels)
            times[label].append(time.perf_counter() - begun)
    medians = {label: statistics.median(values) for label, values in times.items()}
    print(f"\n{name}, {side}×{side} pixels, {torch.get_num_threads()} threads, {rounds} rounds in turns")
    print(f"{'':34}  seconds   fastest   against torch f32   relative error")
    for label, median in medians.items():
        # Within each round, so that a slow moment counts for both.
        ratio = statistics.median(a / b for a, b in zip(times["torch f32 eager"], times[label], strict=True))
        print(f"{label:34}  {median:7.4f}   {min(times[label]):7.4f}   {ratio:14.2f} ×   {errors[label]:.1e}")
    others = {label: median for label, median in medians.items() if label not in ("engine", "torch f32 eager")}
    best = min(others, key=others.__getitem__)
    against = statistics.median(a / b for a, b in zip(times["engine"], times[best], strict=True))
    faster = statistics.median(a / b for a, b in zip(times["torch f32 eager"], times["engine"], strict=True))
    print(f"engine: {faster:.2f} × torch f32 eager (target 2.4); {against:.3f} of {best}'s time (target 1.05)")


def publish(name: str, directory: Path) -> tuple[nn.Module, modelfile.ModelFolder]:
    torch.manual_seed(0)
    network = fold(networks.build(name, NETWORKS[name]).eval()).eval()
    weights = modelfile.half({key: value.numpy() for key, value in network.state_dict().items()})
    # All contenders have the weights as they are stored.
    network.load_state_dict({key: torch.from_numpy(value.astype(np.float32)) for key, value in weights.items()})
    card = modelfile.Card(
        name=name,
        architecture=name,
        config=NETWORKS[name],
        scale=network.scale,
        radius=network.radius,
        variants={"fidelity": modelfile.Variant("fidelity.safetensors")},
        licence="none",
    )
    graph = export_graph(network, "fidelity.safetensors", modelfile.offsets(weights))
    return network, modelfile.write_model(directory, card, graph, {"fidelity": weights})


def contenders(network: nn.Module, folder: modelfile.ModelFolder, directory: Path, side: int) -> dict[str, Run]:
    graph = folder.materialise(directory)
    return {
        "engine": engine(folder),
        "torch f32 eager": eager(network),
        "torch bf16 channels_last": bf16(network),
        "OpenVINO bf16 as it comes": openvino(graph, side),
        "ONNX Runtime f32": onnx_runtime(graph),
    }


def engine(folder: modelfile.ModelFolder) -> Run:
    backend = superfine.load(folder.path, device="cpu").backend
    return lambda pixels: backend.run(pixels[None])[0].clip(0, 1)


def eager(network: nn.Module) -> Run:
    @torch.inference_mode()
    def run(pixels: Pixels) -> Pixels:
        output = network(torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy()))
        return output.clamp_(0, 1)[0].permute(1, 2, 0).contiguous().numpy()

    return run


def bf16(network: nn.Module) -> Run:
    half = copy.deepcopy(network).to(torch.bfloat16).to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def run(pixels: Pixels) -> Pixels:
        picture = torch.from_numpy(pixels)[None].permute(0, 3, 1, 2).to(torch.bfloat16)
        return half(picture).clamp_(0, 1)[0].permute(1, 2, 0).float().contiguous().numpy()

    return run


def openvino(graph: Path, side: int) -> Run:
    core = ov.Core()
    core.set_property({"ENABLE_MMAP": False})
    model = core.read_model(graph)
    model.reshape([1, 3, side, side])
    precision = "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"
    request = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision}).create_infer_request()

    def run(pixels: Pixels) -> Pixels:
        output = request.infer([pixels.transpose(2, 0, 1)[None].copy()], share_inputs=True, share_outputs=True)[0]
        return np.ascontiguousarray(output[0].clip(0, 1).transpose(1, 2, 0))

    return run


def onnx_runtime(graph: Path) -> Run:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(pixels: Pixels) -> Pixels:
        output = session.run(None, {name: pixels.transpose(2, 0, 1)[None].copy()})[0]
        return np.ascontiguousarray(output[0].clip(0, 1).transpose(1, 2, 0))

    return run


if __name__ == "__main__":
    main()
