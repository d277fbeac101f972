"""What a training run keeps so that it can be continued: states, random numbers, log."""
