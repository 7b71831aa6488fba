"""Co-simulation: samples per CPU second of hlsgen's engines, hls4ml, qonnx and onnxruntime."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contest import Table, best_cpu, blas, finish, machine, one_thread, parser, peer

one_thread()

import numpy as np  # noqa: E402

from hlsgen.errors import HlsgenError  # noqa: E402
from hlsgen.expr.network import Network  # noqa: E402
from hlsgen.frontends import read_model  # noqa: E402
from hlsgen.passes.lower import lower  # noqa: E402
from hlsgen.sim.native import NativeEngine  # noqa: E402
from hlsgen.sim.run import feeds_of, input_codes, output_values, run_graph  # noqa: E402

JET = "qonnx_jet_3l_6b"
CNNS = ("qonnx_qk_mnist_cnn", "ptq_qdq_u8s8_mnist8", "tfl_mlperf_kws_dscnn")


@dataclass
class Own:
    """hlsgen's rates, in samples per CPU second: integers only, and from values to values."""

    rates: dict[str, float]
    network: Network


def own(folder: Path, samples: int, repeat: int) -> Own:
    """Both engines, compared with each other on every sample."""
    network = lower(read_model(folder / "model.onnx"))
    arrays = {k: v[np.arange(samples) % len(v)] for k, v in np.load(folder / "inputs.npz").items()}
    feeds = feeds_of(network, arrays)
    codes = input_codes(network, feeds)
    engines = {"numpy": lambda c: run_graph(network.graph, c)}
    try:
        engines = {"native": NativeEngine(network.graph).run} | engines
    except HlsgenError as error:
        print(f"native engine skipped: {error.message}")
    want = run_graph(network.graph, codes)
    rates: dict[str, float] = {}
    for name, run in engines.items():
        got = run(codes)
        if not all(np.array_equal(got[k], want[k]) for k in want):
            raise SystemExit(f"{folder.name}: engines {name} and numpy differ")
        rates[f"{name}, integers"] = samples / best_cpu(lambda run=run: run(codes), repeat)
        rates[f"{name}, values to values"] = samples / best_cpu(
            lambda run=run: output_values(network, run(input_codes(network, feeds))), repeat
        )
    return Own(rates, network)


def runtime(folder: Path, samples: int, repeat: int) -> dict[str, float]:
    """onnxruntime one sample a call, and all in one call where the file's batch axis is free."""
    try:
        import onnxruntime as ort
    except ImportError:
        print("onnxruntime skipped: pip install 'hlsgen[verify]'")
        return {}
    inputs = np.load(folder / "inputs.npz")
    x = next(iter(inputs.values()))
    rates: dict[str, float] = {}
    levels = ort.GraphOptimizationLevel
    for name, level in (("off", levels.ORT_DISABLE_ALL), ("on", levels.ORT_ENABLE_ALL)):
        options = ort.SessionOptions()
        options.graph_optimization_level = level
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            session = ort.InferenceSession(str(folder / "model.onnx"), options)
        except Exception as error:  # its own errors have no common class
            print(f"onnxruntime cannot run {folder.name}: {str(error).splitlines()[0][:90]}")
            return {}
        feed = session.get_inputs()[0]
        whole = x[np.arange(samples) % len(x)]
        rates[f"onnxruntime, optimisations {name}, a call per sample"] = samples / best_cpu(
            lambda s=session, n=feed.name, w=whole: [s.run(None, {n: v}) for v in w], repeat
        )
        if not isinstance(feed.shape[0], int):
            big = whole.reshape(-1, *whole.shape[2:])
            rates[f"onnxruntime, optimisations {name}, one call"] = samples / best_cpu(
                lambda s=session, n=feed.name, b=big: s.run(None, {n: b}), repeat
            )
    return rates


def rows(table: Table, ours: Own, others: dict[str, float]) -> None:
    """One row a contender: its rate, and how many times as fast each engine of ours is."""
    for name, rate in ours.rates.items():
        table.add(f"hlsgen {name}", rate, "", "", "", "")
    for name, rate in others.items():
        times = [ours.rates.get(k, float("nan")) / rate for k in ours.rates]
        table.add(name, rate, *(f"{t:.3g}" for t in times + [float("nan")] * (4 - len(times))))


def head(ours: Own) -> list[str]:
    return ["contender", "samples / CPU s", *(f"{k}: times as fast" for k in ours.rates)]


def jet(options: Any) -> Table:
    folder = options.corpus / JET
    ours = own(folder, 8000, options.repeat)
    table = Table(f"{JET}, 8000 samples", head(ours))
    others: dict[str, float] = {}
    for text, extra in (("", ()), (", softmax removed", ("--no-softmax",))):
        arguments = (str(folder / "model.onnx"), str(folder / "inputs.npz"), "2000")
        found = peer(options.peer_python, "hls4ml_csim.py", *arguments, str(options.repeat), *extra)
        if "skipped" in found:
            print(found["skipped"])
            continue
        name = f"hls4ml {found['version']} csim{text}"
        others[f"{name}, C loop"] = found["loop"]
        others[f"{name}, predict()"] = found["predict"]
    rows(table, ours, others)
    return table


def cnn(name: str, options: Any) -> Table:
    folder = options.corpus / name
    ours = own(folder, 64, options.repeat)
    table = Table(f"{name}, 64 samples", head(ours))
    others: dict[str, float] = {}
    if name.startswith("qonnx"):
        arguments = (str(folder / "model.onnx"), str(folder / "inputs.npz"), "64", "3")
        found = peer(options.peer_python, "qonnx_run.py", *arguments)
        if "skipped" in found:
            print(found["skipped"])
        else:
            others[f"qonnx {found['version']} execute_onnx"] = found["rate"]
    else:
        others = runtime(folder, 64, options.repeat)
    rows(table, ours, others)
    return table


def main() -> None:
    options = parser(__doc__ or "").parse_args()
    print(machine())
    print(blas())
    finish([jet(options), *(cnn(name, options) for name in CNNS)], options.json)


if __name__ == "__main__":
    main()
