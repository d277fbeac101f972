"""Training of methods: objectives, sampling, augmentation and the loop."""
