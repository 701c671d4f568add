"""Universal perturbations: the bound, the plain algorithm, the relations between the schedules, and resuming."""

import copy
import math

import pytest
import torch
from torch import nn

from advutils.attacks import universal
from advutils.core import runtime
from benchmarks.attacks import Counter


def network(seed):
    with runtime.seeded(seed):
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.Tanh(), nn.Linear(12, 5)).eval()


@pytest.fixture
def nets():
    return [network(0), network(1)]


@pytest.fixture
def images():
    return torch.rand(60, 1, 4, 4, generator=runtime.generator(2))


def found(models, images, **options):
    return universal.universal_perturbation(models, images, **{"eps": 0.2, "passes": 3, "num_classes": 5, **options})


@pytest.mark.parametrize("schedule", ["each", "cyclic"])
@pytest.mark.parametrize("batch_size", [1, 7])
@pytest.mark.parametrize("p, eps", [(math.inf, 0.1), (2, 0.4)])
def test_the_ball_is_reached_and_never_left(nets, images, schedule, batch_size, p, eps):
    sizes = []
    out = found(
        nets,
        images,
        p=p,
        eps=eps,
        schedule=schedule,
        batch_size=batch_size,
        callback=lambda out: sizes.append(torch.linalg.vector_norm(out.perturbation.flatten(), ord=p).item()),
    )
    assert len(sizes) == len(out.history) == 3
    assert max(sizes) == pytest.approx(eps, rel=1e-6) and all(size <= eps * (1 + 1e-6) for size in sizes)


def deepfool_by_hand(model, x, classes, most):
    """The increment of one image, step by step from the formula for p = 2; None if it takes more than ``most``."""
    order = model(x[None])[0].argsort(descending=True)[:classes].tolist()
    total = torch.zeros_like(x)
    for step in range(most + 1):
        leaf = (x + 1.02 * total).requires_grad_()
        z = model(leaf[None])[0]
        if z.argmax() != order[0]:
            return 1.02 * total
        if step == most:
            return None
        best = None
        for k in order[1:]:
            (w,) = torch.autograd.grad(z[k] - z[order[0]], leaf, retain_graph=True)
            distance = abs((z[k] - z[order[0]]).item()) / w.norm()
            if best is None or distance < best[0]:
                best = (distance, w)
        total = total + (best[0] + 1e-4) * best[1] / best[1].norm()


def test_with_one_network_it_is_the_plain_algorithm(nets, images):
    model, v = nets[0].double(), torch.zeros(1, 4, 4, dtype=torch.float64)
    images, generator, updates = images.double(), runtime.generator(3), []
    for _ in range(2):
        updates.append(0)
        for n in torch.randperm(len(images), generator=generator).tolist():
            x = images[n]
            if model((x + v)[None]).argmax() == model(x[None]).argmax():
                increment = deepfool_by_hand(model, x + v, 4, most=8)
                if increment is not None:
                    v, updates[-1] = (v + increment).clamp(-0.1, 0.1).detach(), updates[-1] + 1
    out = found([model], images, eps=0.1, passes=2, num_classes=4, generator=runtime.generator(3))
    assert [counts["updates"] for counts in out.history] == updates and updates[0] > 20
    assert torch.allclose(out.perturbation, v, atol=1e-9)


def test_algorithm_2_with_a_network_twice_is_that_of_the_network_once(nets, images):
    once = found(nets[:1], images)
    assert torch.equal(found([nets[0], nets[0]], images, schedule="cyclic").perturbation, once.perturbation)
    assert torch.equal(found(nets[:1], images, schedule="cyclic").perturbation, once.perturbation)


def test_algorithm_2_goes_on_with_the_next_network_in_the_next_pass(nets, images):
    """With an odd number of images the second pass begins with the other network."""
    visits = []
    nets = [nn.Sequential(net) for net in nets]
    for k, net in enumerate(nets):
        net.register_forward_pre_hook(lambda module, inputs, k=k: visits.append(k) if len(inputs[0]) == 1 else None)
    universal.universal_perturbation(nets, images[:3], eps=1e-9, passes=2, schedule="cyclic", max_iter=3, num_classes=2)
    turns = [k for n, k in enumerate(visits) if n == 0 or visits[n - 1] != k]
    assert turns == [0, 1, 0, 1, 0, 1]


def test_no_pass_is_wasted(nets, images):
    """An image that is fooled costs one forward pass, a walk of s steps s + 1, and C - 1 backward passes a step."""
    with Counter(nets[0]) as counter:
        out = found(nets[:1], images, passes=1)
    walks = out.history[0]["calls"]
    forward, backward = (round(number * len(images)) for number in counter.per_image(len(images)))
    steps = backward / 4
    assert steps == out.history[0]["steps"] >= walks > 0
    assert forward == 2 * len(images) + steps  # the clean predictions, the looks, the iterates


def test_the_rates_are_changes_of_prediction(nets, images):
    out = found(nets, images, watched={"held out": images[:40]})
    v = out.perturbation
    by_hand = [(net(images[:40] + v).argmax(1) != net(images[:40]).argmax(1)).double().mean().item() for net in nets]
    assert out.history[-1]["held out"] == pytest.approx(by_hand)
    assert universal.fooling_rate(nets[0], images[:40], v) == pytest.approx(by_hand[0])
    assert universal.fooling_rate(nets[0], images, torch.zeros_like(v)) == 0


def test_it_fools_more_than_noise_of_its_size(nets, images):
    v = found(nets[:1], images, eps=0.3, passes=5).perturbation
    sign = torch.rand(v.shape, generator=runtime.generator(1)).sub(0.5).sign()
    noise = universal.fooling_rate(nets[0], images, 0.3 * sign)
    assert universal.fooling_rate(nets[0], images, v) > noise


@pytest.mark.parametrize("schedule", ["each", "cyclic"])
def test_a_killed_run_continues_exactly(nets, images, tmp_path, schedule):
    def killed(out):
        if len(out.history) == 2:
            raise KeyboardInterrupt

    whole = found(nets, images[:31], schedule=schedule, watched={"all": images})
    path = tmp_path / "v.pt"
    with pytest.raises(KeyboardInterrupt):
        found(nets, images[:31], schedule=schedule, watched={"all": images}, checkpoint=path, callback=killed)
    again = found(nets, images[:31], schedule=schedule, watched={"all": images}, checkpoint=path)
    assert torch.equal(again.perturbation, whole.perturbation) and again.history == whole.history


def test_a_checkpoint_of_a_gpu_is_read_where_there_is_none(nets, images, tmp_path, monkeypatch):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    path = tmp_path / "checkpoint"
    with monkeypatch.context() as patched:
        patched.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
        whole = found(nets, images, checkpoint=path)
    assert torch.equal(found(nets, images, checkpoint=path).perturbation, whole.perturbation)


def test_a_damaged_checkpoint_is_not_used(nets, images, tmp_path):
    path = tmp_path / "v.pt"
    whole = found(nets, images, checkpoint=path)
    raw = bytearray(path.read_bytes())
    raw[100] ^= 1
    path.write_bytes(raw)
    assert torch.equal(found(nets, images, checkpoint=path).perturbation, whole.perturbation)


def test_drawn_images_are_new_in_every_pass_and_repeat_with_the_seed(nets):
    frames = torch.rand(30, 1, 6, 6, generator=runtime.generator(4))

    def crop(images, generator):
        top, left = torch.randint(0, 3, (2,), generator=generator).tolist()
        return images[:, :, top : top + 4, left : left + 4]

    first, second = (found(nets, frames, draw=crop, generator=runtime.generator(7)) for _ in range(2))
    assert first.perturbation.shape == (1, 4, 4) and torch.equal(first.perturbation, second.perturbation)
    other = found(nets, frames, draw=crop, generator=runtime.generator(8))
    assert not torch.equal(first.perturbation, other.perturbation)


def test_a_batch_of_one_image_changes_nothing_and_larger_ones_little(nets, images):
    exact = found(nets[:1], images, eps=0.3, passes=4, watched={"all": images})
    batched = found(nets[:1], images, eps=0.3, passes=4, batch_size=10, watched={"all": images})
    assert batched.history[-1]["calls"] > 0 and batched.history[-1]["all"][0] > 0.5 * exact.history[-1]["all"][0]


def test_the_end_points_of_the_interpolation(nets, images):
    f, g = (found([net], images).perturbation for net in nets)
    assert torch.equal(universal.interpolate(f, g, 1), f) and torch.equal(universal.interpolate(f, g, 0), g)
    assert universal.interpolate(f, g, 0.3).abs().max() <= 0.2 * (1 + 1e-6)
    with pytest.raises(ValueError, match="lam"):
        universal.interpolate(f, g, 1.5)


@pytest.mark.parametrize("p, eps, step", [(math.inf, 0.2, 0.02), (2, 0.5, 0.1)])
def test_ascent_raises_the_loss_inside_the_ball(nets, images, p, eps, step):
    out = universal.universal_ascent(
        nets, images, eps=eps, p=p, step=step, passes=5, batch_size=10, watched={"all": images}
    )
    v = out.perturbation
    assert torch.linalg.vector_norm(v.flatten(), ord=p) <= eps * (1 + 1e-6)
    assert [counts["gradients"] for counts in out.history] == [60] * 5
    for net in nets:
        labels = net(images).argmax(1)
        loss = [nn.functional.cross_entropy(net(x), labels).item() for x in (images, images + v)]
        assert loss[1] > loss[0]
    assert universal.universal_ascent(nets, images, schedule="each", passes=1).history[0]["gradients"] == 120


def test_ascent_weighs_sure_images_as_float64_does():
    """Margins of about 20 and 23: torch's float32 gradient is 0 in some parts there, and the sum takes another way."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    with torch.no_grad():
        net[1].weight.mul_(0.1)
        net[1].bias.copy_(torch.tensor([20.0, 0.0, -1.0]))
        net[1].weight[0] += 0.3 * torch.linspace(-1, 1, 16)
    x = torch.rand(6, 1, 4, 4, generator=runtime.generator(2))
    found = [
        universal.universal_ascent([model], images, eps=1.0, p=2, step=0.1, passes=1, batch_size=6).perturbation
        for model, images in ((net, x), (copy.deepcopy(net).double(), x.double()))
    ]
    torch.testing.assert_close(found[0].double(), found[1], atol=1e-5, rtol=1e-4)


def test_ascent_continues_exactly_too(nets, images, tmp_path):
    path = tmp_path / "v.pt"
    for passes in (1, 3):  # the second call begins where the first ended
        part = universal.universal_ascent(nets, images[:33], passes=passes, batch_size=5, checkpoint=path)
    whole = universal.universal_ascent(nets, images[:33], passes=3, batch_size=5)
    assert torch.equal(part.perturbation, whole.perturbation) and part.history == whole.history


def test_a_start_is_where_it_starts(nets, images):
    first = found(nets[:1], images, passes=1)
    step = universal.universal_ascent(nets, images, eps=0.2, step=1e-9, passes=1, start=first.perturbation)
    assert torch.allclose(step.perturbation, first.perturbation, atol=1e-6)


def test_networks_and_the_random_state_are_left_as_found(images, net):
    modes, random = [m.training for m in net.modules()], torch.get_rng_state()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found([net], images)
    assert [m.training for m in net.modules()] == modes and torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())


@pytest.mark.parametrize(
    "name, options",
    [
        ("eps", {"eps": 0.0}),
        ("eps", {"eps": float("nan")}),
        ("p must", {"p": 1}),
        ("passes", {"passes": 0}),
        ("schedule", {"schedule": "both"}),
        ("batch_size", {"batch_size": 0}),
        ("max_iter", {"max_iter": 2}),
        ("num_classes", {"num_classes": 1}),
        ("overshoot", {"overshoot": -1.0}),
        ("models", {"models": []}),
        ("images", {"images": torch.full((2, 1, 4, 4), 2.0)}),
    ],
)
def test_bad_input_is_refused_by_name(nets, images, name, options):
    with pytest.raises(ValueError, match=name):
        found(**{"models": nets, "images": images, **options})
