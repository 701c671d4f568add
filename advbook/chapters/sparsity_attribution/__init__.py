"""Schwartz, Alparslan, Kim 2020: sparsity, adversarial training and saliency."""
