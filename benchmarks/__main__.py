"""``python -m benchmarks``: embedded digits, minutes; with ``--standard`` real data, for the book's page."""
from benchmarks.attacks import main

main()
