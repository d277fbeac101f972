"""From raw videos to clips, and checks that they are sound."""
