"""What methods, metrics and training cost in arithmetic, time and memory."""
