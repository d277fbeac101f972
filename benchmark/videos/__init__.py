"""Writing moving pictures: videos with sound, and animations that need no player."""
