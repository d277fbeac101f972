"""Training recipes and ablations that ship with talkbench, as data."""
