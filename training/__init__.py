"""Training of MCNet: losses, sampling, augmentation and the loop."""
