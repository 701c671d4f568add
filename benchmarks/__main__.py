"""``python -m benchmarks``: embedded digits, minutes; with ``--standard`` real data, for the book's page."""
import sys

from advutils.book import ledger
from benchmarks import attacks, peers


def main() -> None:
    """Measure everything in the plan through the ledger, and print the table."""
    missing = [name for name in peers.LIBRARIES if name not in peers.installed()]
    if missing:
        print(f"not installed, skipped: {', '.join(missing)} (pip install --no-deps -r benchmarks/requirements.txt)")
    profile, real = ("standard", True) if "--standard" in sys.argv else ("quick", False)
    print(f"{'attack':22}{'network':10}{'library':14}{'x floor':>8}{'seconds':>9}{'forward':>9}{'backward':>9}"
          f"{'success':>9}{'l2':>8}")
    for parameters in attacks.plan(real=real, images=64 if real else 16):
        record = ledger.measure(attacks.compare, parameters, profile=profile, chapter="attacks",
                                command="make bench")
        for name, found in record["libraries"].items():
            print(f"{parameters['attack']:22}{parameters['network']:10}{name:14}{found['ratio']:8.2f}"
                  f"{found['seconds']:9.2f}{found['forward']:9.1f}{found['backward']:9.1f}{found['success']:9.3f}"
                  f"{found['l2']:8.4f}", flush=True)


main()
