"""The protocols that ship with talkbench, as data."""
