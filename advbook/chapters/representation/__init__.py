"""Cutilli 2021: counting networks and structural defences."""
