"""Pairs of frames for training, and the processes that read them ahead."""
