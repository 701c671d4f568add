"""Each test proves one entry of the errata of Lyu, Huang and Liang 2015 that the noise-model notebook lists."""

import math

from advbook.chapters.gradient_regularization import noise

PRINTED_LABELS_VII = [("1e-4", 6.02), ("1e-2", 6.29), ("1e-4", 8.93)]
PRINTED_VIII_0 = {"1e-4": 6.02, "1e-2": 6.29, "1": 8.93}
PRINTED_VI = {"1e-4": 0.2744, "1e-2": 0.4722, "1": 1.2718}


def test_table_7_third_row_is_lambda_1():
    label, error = PRINTED_LABELS_VII[2]
    assert error == PRINTED_VIII_0["1"] != PRINTED_VIII_0[label]
    assert len({name for name, _ in PRINTED_LABELS_VII}) < len(PRINTED_VI)  # one of the three lambdas is missing


def test_table_8_follows_from_table_6_except_for_column_0():
    recomputed = noise.printed_tables()
    assert recomputed["worst"] < 0.011
    for printed, value in zip(PRINTED_VIII_0.values(), recomputed["column_0"], strict=True):
        assert value - printed > 2.5


def test_the_gaussian_predicts_errors_without_noise():
    for share in noise.printed_tables()["without_noise"]:
        assert 0.027 < share < 0.035


def test_softmax_regression_is_worse_on_test_images_than_on_training_images():
    """6.02 % is a training error: a weakly regularised softmax fits its training images better than others."""
    values, _ = noise.softmax_fit(data="digits", convention="batch", lam=1e-4, max_iter=600)
    assert values["train_error"] < values["test_error"]


def test_bound_29():
    bound = noise.union_bound(pixels=784)
    assert bound["deviations"] == math.sqrt(784) == 28 and bound["log10"] < -170


def test_the_formula_misses_the_paper_s_own_errors():
    measured, predicted = noise.PAPER_VII, noise.PAPER_VIII
    gaps = {lam: round(predicted[lam][2] - measured[lam][2], 2) for lam in measured}
    assert gaps[1e-4] == -14.6 and gaps[1e-2] == -5.43
    off, nothing = (abs(guess - measured[1.0][1]) for guess in (predicted[1.0][1], measured[1.0][0]))
    assert off > 10 * nothing
