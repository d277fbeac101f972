"""OpenFace nn4.small2."""
