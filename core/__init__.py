"""What all packages share: registry, cards, errors, images, paths, file writing, locks and model files."""
