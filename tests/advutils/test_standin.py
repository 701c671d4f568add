"""The device that is not there refuses what a GPU refuses, and computes what the CPU does."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from advutils.core import runtime

pytestmark = pytest.mark.parametrize("device", ["standin"], indirect=True)


def network():
    with runtime.seeded(0):
        return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 5))


def images(*shape):
    return torch.rand(*shape, generator=runtime.generator(1))


def test_a_network_is_trained_there_as_on_the_cpu(device):
    found = []
    for place in (torch.device("cpu"), runtime.device()):
        model, x, y = network().to(place), images(4, 1, 8, 8).to(place), torch.arange(4, device=place)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        assert {part.device.type for part in (*model.state_dict().values(), x, y, model(x))} == {place.type}
        model = copy.deepcopy(model).double()
        found.append(model(x.double()).detach().cpu())
    assert torch.equal(*found) and found[0].dtype == torch.float64


def test_what_leaves_the_device_is_plain(device):
    x = images(2, 3)
    there = x.to(device)
    assert there.device.type == "standin" and there.device == torch.zeros(1, device=device).device
    for back in (there.cpu(), there.to("cpu"), there.to(x), torch.tensor(there.tolist())):
        assert type(back) is torch.Tensor and torch.equal(back, x)
    assert there[0, 0].item() == x[0, 0].item() and (there + torch.tensor(1.0)).device == there.device


def test_files_remember_the_device(device, tmp_path):
    torch.save({"x": images(3).to(device), "n": 1}, tmp_path / "x.pt")
    for place, expected in ((None, "standin"), ("cpu", "cpu"), (device, "standin")):
        read = torch.load(tmp_path / "x.pt", map_location=place, weights_only=True)
        assert read["x"].device.type == expected and torch.equal(read["x"].cpu(), images(3)) and read["n"] == 1


MIXED = {
    "sum": lambda there, here: there + here,
    "product": lambda there, here: here @ there.T,
    "join": lambda there, here: torch.cat([there, here]),
    "in place": lambda there, here: there.mul_(here),
    "into the CPU": lambda there, here: here.mul_(there),
    "choice": lambda there, here: torch.where(here > 0.5, there, there),
    "mask": lambda there, here: there.masked_fill(here > 0.5, 0.0),
    "layer": lambda there, here: nn.Linear(3, 2).to(there.device)(here),
    "index from there": lambda there, here: here[torch.tensor([0], device=there.device)],
    "gather": lambda there, here: there.gather(1, torch.zeros(2, 1, dtype=torch.int64)),
    "values from here": lambda there, here: there.index_put_((torch.tensor([0]),), here[0]),
    "numpy": lambda there, here: there.numpy(),
    "generator of the CPU": lambda there, here: torch.rand(2, generator=runtime.generator(0), device=there.device),
    "its permutation": lambda there, here: torch.randperm(2, generator=runtime.generator(0), device=there.device),
    "its draws in place": lambda there, here: there.normal_(generator=runtime.generator(0)),
}


@pytest.mark.parametrize("mistake", MIXED)
def test_a_mistake_of_placement_raises(device, mistake):
    with pytest.raises(RuntimeError):
        MIXED[mistake](images(2, 3).to(device), images(2, 3))


def test_what_a_gpu_allows_is_allowed(device):
    x, there = images(4, 3), images(4, 3).to(device)
    assert torch.equal(there[torch.tensor([2, 0])].cpu(), x[[2, 0]])  # an index may come from the CPU
    there[1:3] = torch.zeros(2, 3)  # copies go from device to device
    there[torch.tensor([0])] = 2.0
    x[1:3], x[0] = 0, 2
    assert torch.equal(there.cpu(), x) and torch.equal(x.copy_(there), there.cpu())
    assert torch.equal(there.unsqueeze(0).clone().squeeze_(0).cpu(), x)
    for made in (
        torch.arange(3, device=device),
        torch.eye(2, device=device),
        there.new_zeros(1),
        torch.rand(2, device=device),
        torch.tensor([1.0], device=device),
    ):
        assert made.device.type == "standin"
