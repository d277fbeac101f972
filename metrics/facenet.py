"""InceptionResnetV1."""
