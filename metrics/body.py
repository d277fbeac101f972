"""Body joints."""
