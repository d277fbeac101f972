"""ArcFace."""
