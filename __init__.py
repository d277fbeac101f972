"""Benchmark and evaluation suite for talking-head video generation."""
