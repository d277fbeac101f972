"""Validation after every epoch of training: metrics beside copy-source's, the best weights, pictures."""
