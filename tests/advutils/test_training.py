"""The training loop: reproducible, resumable, constrained, and the schedules of pylearn2."""

import io
import signal
import subprocess
import sys
import time

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from advbook.chapters.gradient_regularization import dense as chapter
from advutils import training
from advutils.core import files, runtime
from advutils.layers import Dropout


def objective(model, x, y):
    return F.cross_entropy(model(x), y)


def fresh():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 10), nn.ReLU(), Dropout(0.5), nn.Linear(10, 4))


@pytest.fixture
def toy():
    generator = torch.Generator().manual_seed(2)
    labels = torch.arange(4).repeat(30)
    return torch.rand(120, 1, 4, 4, generator=generator) + 0.3 * labels[:, None, None, None], labels


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def run(model, toy, **options):
    return training.train(model, *toy, **{"objective": objective, "epochs": 4, "seed": 7, "batch_size": 20, **options})


def test_the_schedule_of_pylearn2():
    """mnist_pi_continued.yaml starts from the learning rate and momentum of epoch 243 (500 minibatches an epoch)."""
    schedule = training.Schedule(lr=0.1, lr_divisor=1.000004, momentum=(0.5, 0.7), momentum_epochs=250)
    assert schedule.rate(243 * 500) == pytest.approx(0.0615082606673, rel=1e-6)  # theirs is a product in float32
    assert schedule.momentum_at(243) == pytest.approx(0.694376766682, abs=2e-5)
    assert schedule.momentum_at(1) == 0.5 and schedule.momentum_at(999) == pytest.approx(0.7)
    assert schedule.rate(10**8) == 1e-6
    assert training.Schedule(lr_divisor=2.0).rate(10**6) == 1e-6  # 2^1000000 is no float


def test_adam_follows_torch(toy):
    """One epoch of one batch: the step of torch's Adam; the momentum of the schedule plays no part."""
    ours, theirs = fresh(), fresh()
    schedule = training.Schedule(lr=0.01, lr_divisor=1.0, momentum=(0.3, 0.3))
    run(ours, toy, epochs=3, optimizer="adam", schedule=schedule, batch_size=len(toy[0]))
    optimizer = torch.optim.Adam(theirs.parameters(), lr=0.01)
    theirs.train()
    with runtime.seeded(7):
        for _ in range(3):
            order = torch.randperm(len(toy[0]))
            optimizer.zero_grad()
            objective(theirs, toy[0][order], toy[1][order]).backward()
            optimizer.step()
    torch.testing.assert_close(weights(ours), weights(theirs), rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="optimizer"):
        run(ours, toy, optimizer="sgd")


def test_same_seed_same_bits_and_the_global_state_is_untouched(toy):
    first, second, other = fresh(), fresh(), fresh()
    before = torch.get_rng_state()
    history = [run(first, toy), run(second, toy), run(other, toy, seed=8)]
    assert torch.equal(weights(first), weights(second)) and history[0].loss == history[1].loss
    assert not torch.equal(weights(first), weights(other))
    assert torch.equal(torch.get_rng_state(), before)


def test_loss_falls_and_norms_are_limited(toy):
    model = fresh()
    history = run(model, toy, epochs=30, max_norm=0.8)
    assert history.loss[-1] < history.loss[0] and history.finished
    for layer in (model[1], model[4]):
        assert (layer.weight.norm(dim=1) <= 0.8 + 1e-6).all()


class Stop(Exception):
    pass


def interrupt(after):
    def progress(done, _):
        if done == after:
            raise Stop

    return progress


def test_a_resumed_run_equals_an_uninterrupted_one(toy, tmp_path):
    whole = fresh()
    expected = run(whole, toy, epochs=6)
    with pytest.raises(Stop):
        run(fresh(), toy, epochs=6, checkpoint=tmp_path / "c.pt", progress=interrupt(3))
    resumed = fresh()
    history = run(resumed, toy, epochs=6, checkpoint=tmp_path / "c.pt")
    assert torch.equal(weights(whole), weights(resumed)) and history.loss == expected.loss
    again = fresh()  # a finished checkpoint is only loaded
    assert run(again, toy, epochs=6, checkpoint=tmp_path / "c.pt").seconds == history.seconds
    assert torch.equal(weights(again), weights(whole))


def test_kill_9_in_the_middle(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(f"""
import sys, torch
sys.path.insert(0, {str(tmp_path)!r})
torch.set_num_threads(1)
import torch.nn.functional as F
from pathlib import Path
from advutils import datasets, models, training
x, y = datasets.load("digits")
torch.manual_seed(0)
model = models.sigmoid_mlp(hidden=(30,))
training.train(model, x, y, objective=lambda m, a, b: F.cross_entropy(m(a), b), epochs=30, seed=1,
               checkpoint=Path(sys.argv[1]), progress=lambda done, _: print(done, flush=True))
print("sum", repr(sum(p.double().sum().item() for p in model.parameters())))
""")
    command = [sys.executable, str(script)]
    whole = subprocess.run([*command, str(tmp_path / "whole.pt")], capture_output=True, text=True, check=True)
    process = subprocess.Popen([*command, str(tmp_path / "cut.pt")], stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.strip() == "5":
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    resumed = subprocess.run([*command, str(tmp_path / "cut.pt")], capture_output=True, text=True, check=True)
    epochs = [int(word) for word in resumed.stdout.split() if word.isdigit()]
    assert 5 < epochs[0] < 30 and whole.stdout.splitlines()[-1] == resumed.stdout.splitlines()[-1]


def test_a_damaged_checkpoint_is_never_used(toy, tmp_path):
    path = tmp_path / "c.pt"
    whole = fresh()
    run(whole, toy, checkpoint=path)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    model = fresh()
    run(model, toy, checkpoint=path)
    assert torch.equal(weights(model), weights(whole))


def test_a_last_step_to_no_numbers_is_an_error(toy):
    """The loss of an epoch is that before its last step."""

    def loss(model, x, y):
        calls.append(1)
        out = model(x)
        if len(calls) == 6:  # the last minibatch
            out.register_hook(lambda gradient: gradient * float("nan"))
        return F.cross_entropy(out, y)

    calls = []
    with pytest.raises(FloatingPointError, match="weights"):
        training.train(fresh(), *toy, objective=loss, epochs=1, seed=0, batch_size=20)


def test_another_networks_checkpoint_is_never_used(toy, tmp_path):
    """Copied to this name, it is whole; but it says whose it is."""
    run(fresh(), toy, seed=8, checkpoint=tmp_path / "other.pt")
    (tmp_path / "c.pt").write_bytes((tmp_path / "other.pt").read_bytes())
    whole, model = fresh(), fresh()
    run(whole, toy)
    run(model, toy, checkpoint=tmp_path / "c.pt")
    assert torch.equal(weights(model), weights(whole))


def test_weights_that_are_no_numbers_are_never_used(toy, tmp_path):
    whole, model = fresh(), fresh()
    run(whole, toy)
    run(fresh(), toy, checkpoint=tmp_path / "c.pt")
    state = torch.load(io.BytesIO(files.read_sealed(tmp_path / "c.pt")), weights_only=True)
    state["model"]["1.weight"][0, 0] = float("nan")
    stream = io.BytesIO()
    torch.save(state, stream)
    files.write_sealed(tmp_path / "c.pt", stream.getvalue())
    run(model, toy, checkpoint=tmp_path / "c.pt")
    assert torch.equal(weights(model), weights(whole))


def test_patience_restores_the_best_weights(toy):
    values = iter([5.0, 3.0, 4.0, 3.0, 9.0])
    seen = []

    def monitor(model):
        seen.append(weights(model).clone())
        return next(values)

    model = fresh()
    history = run(model, toy, epochs=50, monitor=monitor, patience=3)
    assert history.best_epoch == 2 and len(history.loss) == 5  # an equal value is no improvement
    assert torch.equal(weights(model), seen[1])


def test_a_finished_run_has_its_best_and_its_last_weights(toy, tmp_path):
    values, seen = iter([3.0, 5.0, 4.0, 6.0]), []

    def monitor(model):
        seen.append(weights(model).clone())
        return next(values)

    for restore, epoch in ((True, 0), (False, 3), (True, 0)):  # the first call trains, the others load
        model = fresh()
        run(model, toy, monitor=monitor, patience=4, checkpoint=tmp_path / "c.pt", restore=restore)
        assert torch.equal(weights(model), seen[epoch]) and len(seen) == 4


def test_target_stops(toy):
    values = iter([5.0, 3.0, 1.0, 0.5])
    assert len(run(fresh(), toy, epochs=50, monitor=lambda _: next(values), target=1.0).loss) == 3


@pytest.mark.parametrize(
    "options, error",
    [
        ({"epochs": 0}, ValueError),
        ({"batch_size": 0}, ValueError),
        ({"patience": 3}, ValueError),
        ({"schedule": training.Schedule(lr=1e30)}, FloatingPointError),
    ],
)
def test_bad_arguments_and_divergence(toy, options, error):
    with pytest.raises(error):
        run(fresh(), toy, **options)


def test_chapter_networks_learn_digits(monkeypatch, tmp_path):
    monkeypatch.setenv("ADVUTILS_CACHE", str(tmp_path))
    common = dict(
        data="digits",
        noise=[0.1],
        draws=2,
        attack_images=20,
        attack_l2=[0.5],
        attack_linf=[0.05],
        width=60,
        batch_size=25,
        seed=0,
        epochs=15,
    )
    start = time.perf_counter()
    values, arrays = chapter.dense_network(network="sigmoid-mlp", penalty="none", **common)
    trained = time.perf_counter() - start
    assert values["error"] < 0.08 and values["trials"] == 500 and len(arrays["loss"]) == 15
    assert len(arrays["wrong"]) == round(500 * values["error"]) and len(values["noise"][0]) == 2
    assert values["pgd_l2"][0] >= values["error"] - 0.05
    start = time.perf_counter()
    assert chapter.dense_network(network="sigmoid-mlp", penalty="none", **common)[0] == values
    assert time.perf_counter() - start < trained  # the checkpoint was loaded
    with pytest.raises(ValueError, match="penalty"):
        chapter.trained(data="digits", network="sigmoid-mlp", penalty="other", epochs=1, seed=0)


def test_two_stages(monkeypatch, tmp_path):
    monkeypatch.setenv("ADVUTILS_CACHE", str(tmp_path))
    monkeypatch.setattr(chapter, "PATIENCE", 2)
    _, history = chapter.trained(
        data="digits", network="sigmoid-mlp", width=30, batch_size=25, epochs=12, seed=0, protocol="two-stage"
    )
    assert len(list((tmp_path / "networks" / "train_dense").glob("*.pt"))) == 2 and history.finished and history.monitor
