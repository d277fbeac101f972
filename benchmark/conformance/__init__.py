"""Checks that a method does what the interface of methods asks of it."""
