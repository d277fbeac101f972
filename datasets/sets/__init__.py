"""The data sets: a published one is its YAML card alone; a class stands beside the card where a set needs code."""
