"""Trained fixed point beside post-training quantisation, at the same bits everywhere.

python benchmarks/train_tables.py [--data digits fashion] [--seeds N] [--device cuda]
                                  [--train-only | --verify] [--results DIR] [--json FILE]
                                  [--epochs N] [--rate R] [--jobs N]

`--train-only` needs torch and numpy (scikit-learn for digits): it trains what is missing in DIR, a
file a network. `--verify` needs no GPU: it quantises the float networks by `hlsgen quantize`,
exports the trained ones, compares exact integers with what the training machine computed (bit for
bit, 256 test images) and with csim (8 images), and prints the table. Without either, both. A run
that is broken off goes on where it stopped.

Bits are those of weights, activations, the input and the factors of batch norm; biases have 16 (32
after post-training quantisation), outputs are the exact sums. Accuracies are those of exact
integers on all test images. Trained networks start from the float one of their seed and learn from
its scores and from the labels, half and half, on images that are shifted and mirrored where the
task says so. Codes of 4 bits are all sums of two signed powers of two, so K-hot has no row there.
Digits have the split of examples/digits_cnn, Fashion-MNIST (../shared/data) its own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - as everybody calls it
from torch import Tensor, nn

from hlsgen.train import (
    Batches,
    Config,
    Distillation,
    Khot,
    Qfx,
    Quantised,
    Training,
    fit,
    quantise,
    scores_of,
)

ROOT = Path(__file__).parents[1]
BITS = (8, 6, 4)
CHECKED, CSIM = 256, 8  # test images compared bit for bit, and by csim


class DigitsCnn(nn.Module):
    """The architecture of examples/digits_cnn."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1)
        self.conv3 = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.conv4, self.fc = nn.Conv2d(16, 16, 1), nn.Linear(256, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        skip = F.max_pool2d(x, 2)
        return self.fc((skip + self.conv4(F.relu(self.conv3(skip)))).flatten(1))


class FashionCnn(nn.Module):
    """Three convolutions with batch norm, one of them beside a skip path."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.conv2, self.norm2 = nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32)
        self.conv3, self.norm3 = nn.Conv2d(32, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32)
        self.fc = nn.Linear(32 * 9, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.norm2(self.conv2(x))), 2)
        x = F.relu(x + self.norm3(self.conv3(x)))
        return self.fc(F.max_pool2d(x, 2).flatten(1))


@dataclass(frozen=True)
class Task:
    """A data set and the network for it."""

    name: str
    network: type[nn.Module]
    float_training: Training
    training: Training
    batch: int
    shift: int = 0  # pixels, at most, of what quantised networks learn from
    mirror: bool = False
    labels: float = 0.5  # their share in what is learned; the rest are scores

    def data(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Training images and labels, test images and labels; float32 NCHW."""
        if self.name == "digits":
            sys.path.insert(0, str(ROOT))
            from examples import qat

            d = qat.load_split()
            train, test = (x.reshape(-1, 1, 8, 8) for x in (d.x_train, d.x_test))
            return train, d.y_train, test, d.y_test
        places = [up / "shared" / "data" / "fashion_mnist.npz" for up in (ROOT, ROOT.parent)]
        file = np.load(next(p for p in places if p.exists()))
        x = {
            k: file[f"x_{k}"][:, None].astype(np.float32) / np.float32(256)
            for k in ("train", "test")
        }
        y = {k: file[f"y_{k}"].astype(np.int64) for k in ("train", "test")}
        return x["train"], y["train"], x["test"], y["test"]


TASKS = {
    t.name: t
    for t in (
        Task("digits", DigitsCnn, Training(30, 2e-3), Training(40, 1e-3), 32, shift=1),
        Task(
            "fashion", FashionCnn, Training(12, 2e-3), Training(30, 2e-3), 256, shift=2, mirror=True
        ),
    )
}


def configs() -> dict[str, Config]:
    found = {f"qfx{b}": Config(Qfx(b), Qfx(b)) for b in BITS}
    return found | {f"khot2_{b}": Config(Khot(2, b), Qfx(b)) for b in BITS if b > 4}


def predict(network: nn.Module, x: Tensor) -> Tensor:
    return scores_of(network, x).cpu()


@dataclass(frozen=True)
class Taught:
    """Batches of a task's images, moved as it says, and of what is to be learned of them.

    A target is what the float network says of the moved image and, in its last column, the label.
    """

    task: Task
    x: Tensor
    y: Tensor
    teacher: nn.Module

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for x, y in Batches(self.x, self.y, self.task.batch):
            moved = shifted(mirrored(x) if self.task.mirror else x, self.task.shift)
            with torch.no_grad():
                scores = self.teacher(moved)
            yield moved, torch.cat([scores, y[:, None].to(scores.dtype)], 1)


def mirrored(x: Tensor) -> Tensor:
    """Half of the images, drawn anew, with left and right exchanged."""
    drawn = torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5
    return torch.where(drawn, x.flip(3), x)


def shifted(x: Tensor, most: int) -> Tensor:
    """Each image moved by up to `most` pixels down and right, from minus as many; zeros come in."""
    if not most:
        return x
    count, _, height, width = x.shape
    down, right = torch.randint(0, 2 * most + 1, (2, count, 1, 1), device=x.device)
    rows = down + torch.arange(height, device=x.device)[:, None]
    columns = right + torch.arange(width, device=x.device)
    images = torch.arange(count, device=x.device)[:, None, None]
    return F.pad(x, (most,) * 4)[images, 0, rows, columns][:, None]


def loss_of(task: Task, output: Tensor, target: Tensor) -> Tensor:
    """The loss for targets of `Taught`."""
    scores, label = target[:, :-1], target[:, -1].long()
    share = task.labels
    return (1 - share) * Distillation()(output, scores) + share * F.cross_entropy(output, label)


def train(task: Task, seed: int, kind: str, device: str, folder: Path) -> None:
    """One network of one seed: the float one, or another that starts from it."""
    path = folder / f"{task.name}_{seed}_{kind}.pt"
    if path.exists():
        return
    x, y, x_test, y_test = (torch.from_numpy(a).to(device) for a in task.data())
    torch.manual_seed(seed)
    network = task.network().to(device)
    started = time.perf_counter()
    if kind == "float":
        made: nn.Module = network
        base = task.float_training
        losses = fit(made, Batches(x, y, task.batch), replace(base, seed=seed))
    else:
        start = torch.load(folder / f"{task.name}_{seed}_float.pt", map_location=device)
        network.load_state_dict(start["network"])
        made = quantise(network.eval(), x[:1024], configs()[kind])
        data = Taught(task, x, y, network)
        losses = fit(made, data, replace(task.training, seed=seed), loss=partial(loss_of, task))
    scores = predict(made, x_test)
    accuracy = float((scores.argmax(1) == y_test.cpu()).float().mean())
    state = {
        "network": made.state_dict(),
        "scores": scores[:CHECKED],
        "accuracy": accuracy,
        "losses": losses,
        "device": torch.cuda.get_device_name() if device == "cuda" else "CPU",
        "seconds": time.perf_counter() - started,
    }
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)
    print(f"{path.name}: {accuracy:.2%} in {state['seconds']:.0f} s", file=sys.stderr, flush=True)


def train_all(tasks: list[Task], given: argparse.Namespace) -> None:
    """Float networks first, then what starts from them; `--jobs` at a time."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(given.jobs, context, torch.set_num_threads, (1,)) as pool:
        for kinds in (["float"], list(configs())):
            runs = [
                pool.submit(train, task, seed, kind, given.device, given.results)
                for task in tasks
                for seed in range(given.seeds)
                for kind in kinds
            ]
            for run in runs:
                run.result()


def rebuilt(task: Task, state: dict[str, Any], config: Config, x: Tensor) -> Quantised:
    made = quantise(task.network(), x, config)
    made.load_state_dict(state["network"])
    return made.eval()


def verified(path: Path, x: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
    """Exact integers against the training machine's scores, csim against the integers."""
    from hlsgen.build.project import BuildOptions, build, csim_engine, open_project
    from hlsgen.sim.run import feeds_of, simulate
    from hlsgen.sim.verify import verify

    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        built = build(path, project, BuildOptions(samples=2))
        network = built.network
        feeds = feeds_of(network, {"x": x[:CHECKED, None]})
        got = next(iter(simulate(network, feeds).values())).reshape(scores.shape)
        some = {name: values[:CSIM] for name, values in feeds.items()}
        engines = {"csim": csim_engine(open_project(project))}
        verdict = verify(network, some, None, engines).engines["csim"]
    return {
        "elements": int(got.size),
        "equal": int((got == scores).sum()),
        "csim_elements": verdict.elements,
        "csim_equal": verdict.equal,
        "random_wrong": built.verification.wrong,
    }


def check(task: Task, seed: int, folder: Path) -> None:
    """The results of one seed: a JSON file beside each network."""
    from hlsgen.train import export

    x, _, x_test, _ = task.data()
    for kind, config in {"float": None, **configs()}.items():
        path = folder / f"{task.name}_{seed}_{kind}.pt"
        report = path.with_suffix(".json")
        if report.exists() or not path.exists():
            continue
        state = torch.load(path, map_location="cpu", weights_only=True)
        found = {k: state[k] for k in ("accuracy", "device", "seconds")}
        if config is None:
            network = task.network()
            network.load_state_dict(state["network"])
            found["ptq"] = {b: ptq(task, network, b) for b in BITS}
        else:
            with tempfile.TemporaryDirectory() as made:
                file = Path(made) / "network.onnx"
                export(rebuilt(task, state, config, torch.from_numpy(x[:64])), file)
                found["verified"] = verified(file, x_test, state["scores"].numpy())
        report.write_text(json.dumps(found, indent=1))
        print(f"{report.name}: {found}", file=sys.stderr, flush=True)


def ptq(task: Task, network: nn.Module, bits: int) -> float:
    """The accuracy of the exact integers of `hlsgen quantize` on the whole test part."""
    from hlsgen.arith.weight_format import WeightFormat
    from hlsgen.quantise.convert import convert
    from hlsgen.quantise.scheme import Scheme
    from hlsgen.train import export_float

    x, y, x_test, y_test = task.data()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        export_float(network.eval(), torch.from_numpy(x[:2]), folder / "float.onnx")
        np.savez(folder / "data.npz", x=x[:256, None], labels=y[:256])
        np.savez(folder / "test.npz", x=x_test[:, None], labels=y_test)
        scheme = Scheme(weights=WeightFormat(bits), activations=bits)
        found = convert(
            folder / "float.onnx", folder / "data.npz", folder / "test.npz", None,
            folder / "ptq.onnx", scheme, lambda *_: None,
        )  # fmt: skip
    assert found.judgement.accuracy is not None
    return found.judgement.accuracy


def table(folder: Path, names: list[str], seeds: range) -> dict[str, Any]:
    """Accuracies by task and kind, one a seed."""
    result: dict[str, Any] = {}
    for name in names:
        rows: dict[str, list[float]] = {}
        checks = {"networks": 0, "elements": 0, "equal": 0, "csim_elements": 0, "csim_equal": 0}
        for seed in seeds:
            for kind in ("float", *configs()):
                file = folder / f"{name}_{seed}_{kind}.json"
                if not file.exists():
                    continue
                found = json.loads(file.read_text())
                rows.setdefault(kind, []).append(found["accuracy"])
                for bits, accuracy in found.get("ptq", {}).items():
                    rows.setdefault(f"ptq{bits}", []).append(accuracy)
                if "verified" in found:
                    checks["networks"] += 1
                    for key in list(checks)[1:]:
                        checks[key] += found["verified"][key]
        result[name] = {"accuracy": rows, "verified": checks}
    return result


def cell(values: list[float]) -> str:
    if not values:
        return ""
    v = 100 * np.array(values)
    return f"{v.mean():.2f} ± {v.std(ddof=1) if len(v) > 1 else 0:.2f}"


def show(result: dict[str, Any]) -> None:
    print("| data | bits | float | PTQ | QFX | QFX, K-hot weights, K = 2 |")
    print("|---|---|---|---|---|---|")
    for name, found in result.items():
        a = found["accuracy"]
        for b in BITS:
            kinds = ("float", f"ptq{b}", f"qfx{b}", f"khot2_{b}")
            print(f"| {name} | {b} | " + " | ".join(cell(a.get(k, [])) for k in kinds) + " |")
    for name, found in result.items():
        v = found["verified"]
        print(
            f"\n{name}: {v['networks']} trained networks exported; of {v['elements']} outputs of "
            f"the integers {v['equal']} equal the training machine's to the last bit; csim equals "
            f"the integers on {v['csim_equal']} of {v['csim_elements']}"
        )


def adjusted(task: Task, given: argparse.Namespace) -> Task:
    """The task with the length and rate of training that the command line names."""
    epochs = given.epochs or task.training.epochs
    rate = given.rate or task.training.learning_rate
    return replace(task, training=Training(epochs, rate))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--train-only", action="store_true")
    parser.add_argument("--verify", action="store_true", help="no training")
    parser.add_argument("--results", type=Path, default=ROOT / "build" / "train_tables")
    parser.add_argument("--json", type=Path, help="where the table goes as numbers")
    parser.add_argument("--epochs", type=int, help="of the quantised training; else the task's own")
    parser.add_argument("--jobs", type=int, default=1, help="networks trained at a time")
    parser.add_argument("--rate", type=float, help="its learning rate; else the task's own")
    given = parser.parse_args()
    given.results.mkdir(parents=True, exist_ok=True)
    if not given.verify:
        train_all([adjusted(TASKS[name], given) for name in given.data], given)
    for name in given.data if not given.train_only else []:
        for seed in range(given.seeds):
            check(TASKS[name], seed, given.results)
    if not given.train_only:
        result = table(given.results, given.data, range(given.seeds))
        show(result)
        if given.json:
            given.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
