"""What a training run keeps so that it can go on: states, random numbers, log."""
