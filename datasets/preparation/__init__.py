"""From raw videos to clips that are known to be sound."""
