"""What the command line does, for Python code and notebooks: one call each."""
