"""Tables and messages that the commands print."""
