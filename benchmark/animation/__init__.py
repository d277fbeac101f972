"""`bench animate`: one face picture moved by one driver, as a video or an animated picture."""
