"""Re-identification features."""
