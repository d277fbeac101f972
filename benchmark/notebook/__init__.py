"""The Python face: for each job of the command line one call, for code and notebooks."""
