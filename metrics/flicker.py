"""Flicker."""
