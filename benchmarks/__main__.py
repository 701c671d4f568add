"""``python -m benchmarks``: embedded digits, minutes; with ``--standard`` real data, for the book's page."""

import sys

from advbook import ledger
from benchmarks import attacks, pairwise, peers, smoothing, universal

UNIVERSAL_EPS = {"lenet": 0.3, "resnet8": 10 / 255}  # digits are far from their boundaries


def main() -> None:
    """Measure everything in the plan through the ledger, and print the table."""
    missing = [name for name in peers.LIBRARIES if name not in peers.installed()]
    if missing:
        print(f"not installed, skipped: {', '.join(missing)} (pip install --no-deps -r benchmarks/requirements.txt)")
    profile, real = ("standard", True) if "--standard" in sys.argv else ("quick", False)
    print(
        f"{'attack':22}{'network':10}{'library':14}{'x floor':>8}{'seconds':>9}{'forward':>9}{'backward':>9}"
        f"{'success':>9}{'l2':>8}"
    )
    for parameters in attacks.plan(real=real, images=64 if real else 16):
        record = ledger.measure(attacks.compare, parameters, profile=profile, chapter="attacks", command="make bench")
        for name, found in record["libraries"].items():
            print(
                f"{parameters['attack']:22}{parameters['network']:10}{name:14}{found['ratio']:8.2f}"
                f"{found['seconds']:9.2f}{found['forward']:9.1f}{found['backward']:9.1f}{found['success']:9.3f}"
                f"{found['l2']:8.4f}",
                flush=True,
            )
    universal_costs(profile, real)
    smooth_costs(profile, real)
    pairwise_costs(profile, real)


def universal_costs(profile: str, real: bool) -> None:
    """The universal perturbation, one image at a time and several at once, beside the toolbox's."""
    for network, (data, embedded) in attacks.NETS.items():
        parameters = dict(
            network=network,
            **(data if real else embedded),
            images=200 if real else 30,
            eps=UNIVERSAL_EPS[network],
            passes=2,
            batch=10,
            rounds=3 if real else 1,
            seed=0,
        )
        found = ledger.measure(
            universal.universal_cost,
            parameters,
            profile=profile,
            chapter="universal-perturbations",
            command="make bench",
        )
        told = []
        for name in [name for name in ("exact", "batched", "art") if name in found.values]:
            ratio = f" ({found[name]['ratio']:.2f} x floor)" if "ratio" in found[name] else ""
            told.append(f"{name} {found[name]['seconds']:.2f} s{ratio}, fools {found[name]['rate']:.2f}")
        print(f"universal perturbation on {network}: {'; '.join(told)}", flush=True)


def smooth_costs(profile: str, real: bool) -> None:
    """Smoothing guided by an image, and with real data what it adds to Carlini and Wagner's attack."""
    given = dict(profile=profile, chapter="smooth-adversarial", command="make bench")
    found = ledger.measure(smoothing.smoothing_cost, dict(batch=8 if real else 2, size=224, rounds=3, seed=0), **given)
    print(
        f"smoothing, forward and adjoint: {found['ours']:.3f} s; unrolled: {found['unrolled']:.3f} s, "
        f"{found['memory_unrolled'] / found['memory_ours']:.0f} times the memory"
    )
    for network in ("mobilenet_v2", "squeezenet1_1") if real else ():
        found = ledger.measure(
            smoothing.search_cost, dict(network=network, batch=8, size=224, steps=10, rounds=3), **given
        )
        print(f"an iteration of sC&W on {network}: {found['ratio']:.2f} times one of C&W")


def pairwise_costs(profile: str, real: bool) -> None:
    """Pairwise Difference a block of pairs at a time, beside the layer that holds them all; no data is needed."""
    sizes = ((49, 20, 0), (196, 20, 0), (784, 5, 0), *((784, 20, seed) for seed in range(3)), (784, 80, 0))
    for n, batch, seed in sizes if real else sizes[:2]:
        found = ledger.measure(
            pairwise.pairwise_cost,
            dict(n=n, out=100, batch=batch, rounds=5, threads=2, seed=seed),
            profile=profile,
            chapter="representation",
            command="python -m benchmarks" + (" --standard" if real else ""),
        )
        print(
            f"pairwise difference, {n} pixels, {batch} images: {found['blocked']['seconds']:.3f} s, "
            f"{found['times_faster']:.1f} times as fast and with {found['times_smaller']:.0f} times less memory",
            flush=True,
        )


main()
