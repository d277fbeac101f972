"""The `bench` command: one module per command, a folder per group of commands."""
