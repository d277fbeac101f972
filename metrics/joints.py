"""AKD and MKR of body joints."""
