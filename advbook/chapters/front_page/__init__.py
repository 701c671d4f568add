"""The front page: one photograph, one step of an attack at growing budgets, and what a network answers."""
