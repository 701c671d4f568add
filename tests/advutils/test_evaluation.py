import pytest
import torch
from scipy.stats import binomtest

from advutils import evaluation
from advutils.core import runtime


@pytest.mark.parametrize("errors, trials", [(0, 10), (78, 10_000), (5, 10), (10, 10)])
def test_wilson_is_scipy_s(errors, trials):
    expected = binomtest(errors, trials).proportion_ci(method="wilson")
    assert evaluation.wilson(errors, trials) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_wilson_refuses_impossible_counts():
    with pytest.raises(ValueError):
        evaluation.wilson(3, 2)


def test_error_rate_and_noise(net, batch):
    x, y = batch
    rate = evaluation.error_rate(net, x, y)
    net.eval()
    assert rate == (net(x).argmax(1) != y).sum().item() / 20
    assert evaluation.noise_error(net, x, y, std=0.0, generator=runtime.generator(0)) == rate
    again = [evaluation.noise_error(net, x, y, std=0.5, generator=runtime.generator(3)) for _ in range(2)]
    assert again[0] == again[1]
    with pytest.raises(ValueError, match="std"):
        evaluation.noise_error(net, x, y, std=-1.0, generator=runtime.generator(0))


def test_noise_error_of_a_linear_model_has_a_closed_form():
    """One pixel decides: wrong if the noise exceeds the margin, with probability Phi(-margin / std)."""

    class Sign(torch.nn.Module):
        def forward(self, x):
            return torch.stack([x.flatten(1)[:, 0], torch.zeros(len(x))], dim=1)

    x, y = torch.full((20_000, 3), 0.2), torch.zeros(20_000, dtype=torch.long)
    rate = evaluation.noise_error(Sign(), x, y, std=0.2, generator=runtime.generator(0))
    assert rate == pytest.approx(0.158655, abs=0.01)


def test_batches_do_not_matter_and_nan_is_refused(net, batch):
    x, y = batch
    assert torch.equal(evaluation.predictions(net, x, batch_size=3), evaluation.predictions(net, x))
    assert net.training  # left as it was
    with pytest.raises(ValueError, match="NaN"):
        evaluation.predictions(net, x * float("nan"))
    assert evaluation.mean_loss(net, x, y) == pytest.approx(
        torch.nn.functional.cross_entropy(net.eval()(x), y).item(), rel=1e-5
    )
