"""``python -m benchmarks``: the embedded digits, minutes. ``python -m benchmarks --standard``: real data, for the book."""
from benchmarks.attacks import main

main()
