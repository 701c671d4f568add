"""Kühne, Tödtli 2020: universal perturbations."""
