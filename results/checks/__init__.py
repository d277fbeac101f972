"""What the parts of a sound entry are like: numbers that can be true, and videos that are safe to play."""
