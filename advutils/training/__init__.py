"""Training: one loop for all networks; limits on weights, objectives with perturbed inputs, sparse weights."""

from advutils.training.loop import OPTIMIZERS, History, Objective, Schedule, laid_out_like, train

__all__ = ["OPTIMIZERS", "History", "Objective", "Schedule", "laid_out_like", "train"]
