"""FAN landmarks."""
