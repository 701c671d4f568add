"""Lyu, Huang, Liang 2015: training on perturbed images."""
