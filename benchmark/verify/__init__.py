"""Figures computed again from what they follow from."""
