"""The HTML page of a run, and the pictures that reports are made of."""
