"""Zhang, Avrithis, Furon, Amsaleg 2019: smooth perturbations."""
