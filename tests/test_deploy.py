"""The driver against simulated boards: the emitted kernel behind pynq's and pyxrt's own calls."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsgen.build.project import BuildOptions, build
from hlsgen.data import templates_dir
from hlsgen.emit.hls import Io
from hlsgen.sim.run import feeds_of, simulate

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
ROOT = Path(__file__).parents[1]
CORPUS = ROOT.parent / "shared" / "corpus"
STANDINS = Path(__file__).parent / "standins"
BOARDS = {"pynq": ("ultra96v2", ["kernel_0"]), "pyxrt": ("u280", ["cu_0", "cu_1", "cu_2"])}


def package(folder: Path, name: str = "deploy_under_test") -> Any:
    """The deploy folder as a Python package."""
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


packing: Any = None


@pytest.fixture(scope="module", autouse=True)
def _modules():
    """The stand-ins are importable, and the packing that ships."""
    global packing
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(STANDINS))
        spec = importlib.util.spec_from_file_location("p", templates_dir() / "deploy/packing.py")
        assert spec is not None
        assert spec.loader is not None
        packing = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(packing)
        yield


# -- packing ----------------------------------------------------------------------------------


def word_oracle(codes: np.ndarray, port: dict[str, Any]) -> bytes:
    """A frame in memory, element by element in Python integers."""
    t = codes.reshape(port["batch"], port["channels"], port["pixels"])
    flat = [
        int(t[b, c, p])
        for b in range(port["batch"])
        for p in range(port["pixels"])
        for c in range(port["channels"])
    ]
    n, w = port["lanes"], port["width"]
    beats = [flat[i : i + n] for i in range(0, len(flat), n)]
    words = [sum(v % (1 << w) << (k * w) for k, v in enumerate(beat)) for beat in beats]
    return b"".join(word.to_bytes(port["word_bits"] // 8, "little") for word in words)


@given(
    width=st.integers(1, 100),
    signed=st.booleans(),
    lanes=st.sampled_from([1, 2, 3, 5]),
    chunks=st.integers(1, 2),
    batch=st.integers(1, 2),
    pixels=st.integers(1, 3),
    frames=st.integers(1, 3),
    seed=st.integers(0, 9),
)
def test_packing(
    width: int, signed: bool, lanes: int, chunks: int, batch: int, pixels: int, frames: int,
    seed: int,
) -> None:  # fmt: skip
    channels = lanes * chunks
    low, high = (-1 << (width - 1), 1 << (width - 1)) if signed else (0, 1 << width)
    port = {
        "shape": [batch, channels, pixels], "batch": batch, "channels": channels, "pixels": pixels,
        "lanes": lanes, "width": width, "signed": signed, "words": batch * pixels * chunks,
        "word_bits": max(8, 1 << (lanes * width - 1).bit_length()),
    }  # fmt: skip
    rng = np.random.default_rng(seed)
    size = frames * batch * channels * pixels
    draws = [int.from_bytes(rng.bytes(16), "little") % (high - low) + low for _ in range(size)]
    draws[0], draws[-1] = low, high - 1
    fits = width < 64 or (width == 64 and signed)
    codes = np.array(draws, dtype=np.int64 if fits else object).reshape(frames, *port["shape"])
    data = packing.pack(codes, port)
    assert data.shape == (frames, packing.frame_bytes(port))
    assert data.tobytes() == b"".join(word_oracle(frame, port) for frame in codes)
    back = packing.unpack(data, port)
    assert back.dtype == codes.dtype
    np.testing.assert_array_equal(back, codes)


# -- whole networks on simulated boards ---------------------------------------------------------


class Board:
    """A built project whose deploy folder holds a stand-in bitstream."""

    def __init__(self, folder: Path, model: Path, inputs: Path, kind: str) -> None:
        name, units = BOARDS[kind]
        options = BuildOptions(
            board=name, io=Io.STREAM, samples=3, csim=False, compute_units=len(units)
        )
        self.built = build(model, folder, options)
        self.folder = folder / "deploy"
        self.units = units
        with np.load(inputs) as data:
            self.arrays = {k: data[k] for k in data.files if k != "labels"}
        self.load()

    @classmethod
    def example(cls, folder: Path, name: str, kind: str) -> Board:
        place = ROOT / "examples" / name
        return cls(folder, place / f"{name}.onnx", place / "test_data.npz", kind)

    def load(self, behaviour: str = "", **changed: Any) -> None:
        """Put a bitstream and its design.json into the folder."""
        interface = json.loads((self.folder / "interface.json").read_text())
        ports = interface["ports"]["in"] + interface["ports"]["out"]
        assert [unit["name"] for unit in interface["units"]] == self.units
        bit = {
            "project": str(self.folder.parent), "top": interface["kernel"].removesuffix("_kernel"),
            "ports": [p["name"] for p in ports], "frames": interface["frames"],
            "units": self.units, "behaviour": behaviour,
        }  # fmt: skip
        data = json.dumps(bit).encode()
        (self.folder / interface["bitstream"]).write_bytes(data)
        design = {
            "build": interface["build"], "bitstream": interface["bitstream"], "units": self.units,
            "files": {interface["bitstream"]: hashlib.sha256(data).hexdigest()},
        }  # fmt: skip
        (self.folder / "design.json").write_text(json.dumps(design | changed))

    def accelerator(self, **options: Any) -> Any:
        return package(self.folder).Accelerator(self.folder, **options)

    def want(self, count: int) -> np.ndarray:
        arrays = {k: v[:count] for k, v in self.arrays.items()}
        (y,) = simulate(self.built.network, feeds_of(self.built.network, arrays)).values()
        return y


@pytest.fixture(scope="module")
def mlp(tmp_path_factory: pytest.TempPathFactory) -> Board:
    return Board.example(tmp_path_factory.mktemp("mlp") / "p", "digits_mlp", "pynq")


@pytest.fixture(scope="module")
def cnn(tmp_path_factory: pytest.TempPathFactory) -> Board:
    return Board.example(tmp_path_factory.mktemp("cnn") / "p", "digits_cnn", "pyxrt")


@pytest.fixture(params=["mlp", "cnn"])
def board(request: pytest.FixtureRequest) -> Board:
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("batch", [1, 7, 0])
def test_predict_equals_simulate(board: Board, batch: int) -> None:
    board.load()
    (x,) = board.arrays.values()
    count = 3 if batch == 1 else 20  # two whole batches of 7 and a part
    shape = board.built.network.model.types[board.built.network.model.inputs[0]].shape
    accelerator = board.accelerator(batch=batch)
    y = accelerator.predict(x[:count].reshape(count, *shape))
    want = board.want(count)
    assert y.dtype == want.dtype
    np.testing.assert_array_equal(y, want)
    bare = accelerator.predict(x[:count].reshape(count, *shape[1:]))
    np.testing.assert_array_equal(bare, want[:, 0])


@pytest.mark.parametrize("name", ["qonnx_tfc_w2a2", "op_pulp_add_multio"])
def test_real_models(name: str, tmp_path: Path) -> None:
    """Two-bit elements, 49 a word; four inputs and two outputs."""
    place = CORPUS / name
    if not place.is_dir():
        pytest.skip("../shared/corpus is not here")
    board = Board(tmp_path / "p", place / "model.onnx", place / "inputs.npz", "pyxrt")
    network = board.built.network
    feeds = feeds_of(network, {k: v[:5] for k, v in board.arrays.items()})
    want = simulate(network, feeds)
    accelerator = board.accelerator(batch=2)
    assert accelerator.self_test() == 3
    got = accelerator.predict(feeds)
    got = got if isinstance(got, dict) else {next(iter(want)): got}
    assert got.keys() == want.keys()
    for output, y in want.items():
        np.testing.assert_array_equal(got[output], y)


def test_self_test_and_throughput(board: Board) -> None:
    board.load()
    accelerator = board.accelerator(batch=4)
    assert accelerator.self_test() == 3
    found = accelerator.throughput(20)
    assert found["frames"] == 20
    assert found["frames_per_second"] > 0


def test_self_test_finds_a_difference(mlp: Board) -> None:
    mlp.load()
    path = mlp.folder / "expected.bin"
    good = path.read_bytes()
    words = np.frombuffer(good, "<i8").copy()
    words[13] += 1
    path.write_bytes(words.tobytes())
    accelerator = mlp.accelerator()
    with pytest.raises(RuntimeError, match=r"vector 1, element \(0, 3\): got (-?\d+), want"):
        accelerator.self_test()
    path.write_bytes(good)


def test_compute_units_take_turns(cnn: Board) -> None:
    import pyxrt

    cnn.load()
    pyxrt.log.clear()
    (x,) = cnn.arrays.values()
    y = cnn.accelerator(batch=4).predict(x[:18])
    np.testing.assert_array_equal(y.reshape(18, -1), cnn.want(18).reshape(18, -1))
    assert pyxrt.log == [("cu_0", 4), ("cu_1", 4), ("cu_2", 4), ("cu_0", 4), ("cu_1", 2)]


@pytest.mark.parametrize("samples", [1, 2, 3, 4, 7, 9, 20])
def test_all_units_share_samples(cnn: Board, samples: int) -> None:
    """Of three units: fewer samples than units, as many, one more, odd numbers, several rounds."""
    import pyxrt

    cnn.load()
    pyxrt.log.clear()
    pyxrt.most_flying[0] = 0
    (x,) = cnn.arrays.values()
    y = cnn.accelerator(batch=3).predict(x[:samples])
    np.testing.assert_array_equal(y.reshape(samples, -1), cnn.want(samples).reshape(samples, -1))
    assert sum(frames for _, frames in pyxrt.log) == samples
    assert max(frames for _, frames in pyxrt.log) <= min(3, -(-samples // 3))
    assert pyxrt.most_flying[0] == len({unit for unit, _ in pyxrt.log}) >= min(samples, 2)
    assert not pyxrt.flying


@pytest.mark.parametrize(
    ("behaviour", "kind", "said"),
    [
        ("error cu_1", RuntimeError, r"compute unit cu_1 ended in state .*ERROR"),
        ("hang cu_2", TimeoutError, r"compute unit cu_2 did not finish 2 frames in 50 ms"),
    ],
)
def test_a_unit_that_fails_is_named_and_the_others_finish(
    cnn: Board, behaviour: str, kind: type[Exception], said: str
) -> None:
    import pyxrt

    cnn.load(behaviour)
    (x,) = cnn.arrays.values()
    accelerator = cnn.accelerator(batch=2, timeout=0.05)
    with pytest.raises(kind, match=said):
        accelerator.predict(x[:12])
    assert not pyxrt.flying
    for kernel in accelerator.device.kernels:
        kernel.bit["behaviour"] = ""  # a card that has recovered: the same object serves on
    y = accelerator.predict(x[:12])
    np.testing.assert_array_equal(y.reshape(12, -1), cnn.want(12).reshape(12, -1))


def test_the_self_test_looks_at_each_unit(cnn: Board) -> None:
    import pyxrt

    cnn.load()
    pyxrt.log.clear()
    assert cnn.accelerator(batch=4).self_test() == 3
    for unit in cnn.units:  # together, one by one, a share of all
        assert [n for name, n in pyxrt.log if name == unit] == [3, 1, 1, 1, 1]
    cnn.load("wrong cu_2")
    with pytest.raises(RuntimeError, match=r"^compute unit cu_2: \S+: vector 0, element"):
        cnn.accelerator().self_test()


def test_a_kernel_that_waits_for_continue(mlp: Board) -> None:
    mlp.load("chain")
    assert mlp.accelerator(batch=1).self_test() == 3


def test_registers_that_hls_renamed_or_of_32_bits(
    mlp: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    import simulated

    mlp.load("renamed")
    assert mlp.accelerator().self_test() == 3
    mlp.load("narrow")
    with pytest.raises(ValueError, match=r"register v_x holds 32 bits, the buffer lies at 0x8"):
        mlp.accelerator()
    monkeypatch.setattr(simulated, "_next", [0x1000_0000])
    assert mlp.accelerator().self_test() == 3


def test_a_hanging_kernel_times_out(board: Board) -> None:
    board.load("hang")
    with pytest.raises(TimeoutError, match="did not finish"):
        board.accelerator(timeout=0.05).self_test()


def test_an_error_of_the_card(cnn: Board) -> None:
    cnn.load("error")
    with pytest.raises(RuntimeError, match=r"compute unit cu_0 ended in state .*ERROR"):
        cnn.accelerator().self_test()


def test_a_bitstream_of_another_design(mlp: Board) -> None:
    mlp.load(build="0123456789abcdef")
    with pytest.raises(RuntimeError, match="made from build 0123456789ab"):
        mlp.accelerator()
    mlp.load()
    bit = next(mlp.folder.glob("*.bit"))
    bit.write_bytes(bit.read_bytes() + b" ")
    with pytest.raises(RuntimeError, match=f"{bit.name} is not the file"):
        mlp.accelerator()
    (mlp.folder / "design.json").unlink()
    with pytest.raises(FileNotFoundError, match="no bitstream yet"):
        mlp.accelerator()


@pytest.mark.parametrize(
    ("x", "kind", "said"),
    [
        (np.zeros((2, 63), np.float32), ValueError, r"needs shape \('samples', 1, 64\), got"),
        (np.zeros(64, np.float32), ValueError, "needs shape"),
        (np.float32(1), ValueError, "needs shape"),
        (np.zeros((0, 64), np.float32), ValueError, "holds no samples"),
        (np.full((1, 64), np.nan, np.float32), ValueError, "NaN or infinity"),
        (np.full((1, 64), np.inf), ValueError, "NaN or infinity"),
        (np.zeros((1, 64), complex), TypeError, "needs float32, got complex128"),
        (np.array([["a"] * 64]), TypeError, "needs float32, got <U1"),
        ({"y": np.zeros((1, 64))}, ValueError, r"missing: \['x'\], not known: \['y'\]"),
    ],
)
def test_wrong_feeds(mlp: Board, x: Any, kind: type[Exception], said: str) -> None:
    mlp.load()
    with pytest.raises(kind, match=said):
        mlp.accelerator().predict(x)


def test_codes_of_an_integer_input() -> None:
    spec = importlib.util.spec_from_file_location("f", templates_dir() / "deploy/feeds.py")
    assert spec is not None
    assert spec.loader is not None
    feeds = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(feeds)
    of = {"name": "p", "shape": [1, 2], "dtype": "uint8", "codes": [0, 255]}
    found, bare = feeds.checked(np.array([[0, 255]]), [of])
    assert bare
    assert found["p"].tolist() == [[[0, 255]]]
    with pytest.raises(ValueError, match="needs 0 to 255"):
        feeds.checked(np.array([[0, 256]]), [of])
    with pytest.raises(TypeError, match="needs uint8, got float64"):
        feeds.checked(np.array([[0.0, 1.0]]), [of])
    with pytest.raises(TypeError, match="2 inputs"):
        feeds.checked(np.array([[0, 1]]), [of, of | {"name": "q"}])
    both = {"p": np.zeros((1, 2), int), "q": np.zeros((2, 2), int)}
    with pytest.raises(ValueError, match="differ in their number"):
        feeds.checked(both, [of, of | {"name": "q"}])


class Constant:
    """A device that returns zeros at once and remembers how much it was given at most."""

    units = 2

    def __init__(self, size: int) -> None:
        self.size, self.most, self.frames = size, 0, 0

    def start(self, unit: int, memories: list[np.ndarray], frames: int) -> None:
        self.most, self.frames = max(self.most, frames), self.frames + frames
        assert [len(m) for m in memories] == [frames]

    def finish(self, unit: int, frames: int) -> list[np.ndarray]:
        return [np.zeros((frames, self.size), np.uint8)]


def test_many_samples_go_in_chunks(mlp: Board) -> None:
    interface = json.loads((mlp.folder / "interface.json").read_text())
    (out,) = interface["ports"]["out"]
    device = Constant(out["words"] * out["word_bits"] // 8)
    x = np.broadcast_to(np.zeros((1, 64), np.float32), (100_000, 64))
    y = mlp.accelerator(device=device).predict(x)
    assert y.shape == (100_000, 10)
    assert device.frames == 100_000
    assert device.most == 4096


def test_runs_from_the_command_line_without_hlsgen(mlp: Board) -> None:
    mlp.load()
    paths = f"{STANDINS}:{STANDINS.parent}:{ROOT}"  # the stand-ins need hlsgen, the driver does not
    done = subprocess.run(
        [sys.executable, "-m", "deploy"], cwd=mlp.folder.parent,
        env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "3 vectors equal\n"), done.stderr
    lines = [line for path in mlp.folder.glob("*.py") for line in path.read_text().splitlines()]
    named = [line.split()[1] for line in lines if line.startswith(("import ", "from "))]
    roots = {name.split(".")[0] for name in named if not name.startswith(".")}
    assert roots - sys.stdlib_module_names == {"numpy"}
