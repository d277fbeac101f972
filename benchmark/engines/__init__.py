"""Engines: what maps work over chunks of it, in this process, in several of this machine, or over a Ray cluster."""
