"""For the tests of records: small measurements, and a call that stores them."""

import numpy as np

from advbook import ledger

calls = []


def square(*, x: float, seed: int = 0):
    calls.append(x)
    return {"square": x * x}, {"curve": np.arange(3.0)}


def measure(function=square, replay="auto", **parameters):
    return ledger.measure(
        function, parameters or {"x": 3.0}, profile="quick", chapter="c", replay=replay, command="the command"
    )


def drifting(*, x: float):
    calls.append(x)
    return {"kept": [x, {"deep": None}], "count": len(calls)}
