"""Training: repeatable, resumed to the same bits, and better afterwards than before."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="hlsgen.train needs torch: pip install 'hlsgen[train]'")

from nets import residual  # noqa: E402

from hlsgen.errors import OptionError  # noqa: E402
from hlsgen.train import (  # noqa: E402
    Batches,
    Config,
    Distillation,
    Lsq,
    Qfx,
    Quantised,
    SelfCompress,
    Training,
    fit,
    quantise,
    scores_of,
)

LENGTH = Training(4, 5e-3, seed=7)


class Interrupted(Exception):
    pass


def case(config: Config | None = None) -> tuple[Quantised, Batches]:
    torch.set_num_threads(1)
    module, x = residual()
    y = (x.mean((1, 2, 3)) * 6).long().clamp(0, 2)
    return quantise(module, x, config or Config(Qfx(4), Qfx(4))), Batches(x, y, 7)


def same(a: Quantised, b: Quantised) -> bool:
    other = b.state_dict()
    return all(torch.equal(v, other[k]) for k, v in a.state_dict().items())


def test_a_broken_training_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    whole, batches = case()
    losses = fit(whole, batches, LENGTH)

    def stop(epoch: int, epochs: int, loss: float) -> None:
        if epoch == 2:
            raise Interrupted

    part, batches = case()
    with pytest.raises(Interrupted):
        fit(part, batches, LENGTH, checkpoint=tmp_path / "c.pt", observe=stop)
    rest, batches = case()
    seen: list[int] = []
    again = fit(
        rest, batches, LENGTH, checkpoint=tmp_path / "c.pt", observe=lambda e, n, v: seen.append(e)
    )
    assert seen == [3, 4]
    assert again == losses
    assert same(rest, whole)
    assert not same(part, whole)


def test_a_loader_of_torch_gives_the_same_run_for_the_same_seed() -> None:
    results = []
    for seed in (0, 0, 1):
        network, batches = case()
        data = torch.utils.data.TensorDataset(batches.x, batches.y)
        loader = torch.utils.data.DataLoader(data, batch_size=5, shuffle=True)
        results.append(fit(network, loader, Training(2, 1e-3, seed=seed)))
    assert results[0] == results[1] != results[2]


def test_training_lowers_the_loss_and_moves_binary_points() -> None:
    network, batches = case(Config(Lsq(3), Qfx(3)))
    before = {k: v.clone() for k, v in network.state_dict().items()}
    losses = fit(network, batches, Training(12, 1e-2))
    assert losses[-1] < 0.8 * losses[0]
    moved = {k for k, v in network.state_dict().items() if not torch.equal(v, before[k])}
    assert {"body.conv1_quantiser.point", "body.fc.weight_quantiser.size"} & moved
    assert any(k.endswith("quantiser.point") for k in moved)
    assert any(k.endswith("quantiser.size") for k in moved)


def test_the_price_of_bits_is_paid_in_training() -> None:
    widths = []
    for price in (0.0, 1e-2):
        network, batches = case(Config(SelfCompress(6, price), Qfx(4)))
        fit(network, batches, Training(8, 3e-2, settle=1.0))
        widths.append(
            sum(
                float(p.detach().sum())
                for n, p in network.named_parameters()
                if n.endswith("width")
            )
        )
    assert widths[1] < 0.95 * widths[0]


def test_learning_from_scores() -> None:
    network, _ = case()
    module, x = residual()
    taught = Batches(x, scores_of(module, x), 7)
    losses = fit(network, taught, Training(8, 5e-3), loss=Distillation())
    assert losses[-1] < losses[0]
    same_scores = torch.randn(4, 3)
    assert float(Distillation()(same_scores, same_scores)) == pytest.approx(0, abs=1e-6)


def test_bad_checkpoints_and_numbers_are_refused(tmp_path: Path) -> None:
    network, batches = case()
    path = tmp_path / "c.pt"
    fit(network, batches, LENGTH, checkpoint=path)
    with pytest.raises(OptionError, match="is of another training"):
        fit(network, batches, Training(5), checkpoint=path)
    other, _ = case(Config(Lsq(4), Qfx(4)))
    with pytest.raises(OptionError, match="is no checkpoint of this network"):
        fit(other, batches, LENGTH, checkpoint=path)
    path.write_bytes(b"nothing")
    with pytest.raises(OptionError, match="is no checkpoint of this network"):
        fit(network, batches, LENGTH, checkpoint=path)
    with pytest.raises(OptionError, match="the loss of epoch 1 is nan"):
        fit(network, Batches(batches.x * float("nan"), batches.y), LENGTH)
    with pytest.raises(OptionError, match="24 samples and 3 labels"):
        Batches(batches.x, batches.y[:3])
    with pytest.raises(OptionError, match="at least one epoch"):
        Training(0)
