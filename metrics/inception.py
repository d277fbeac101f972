"""Inception features."""
