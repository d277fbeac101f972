"""Tables of published and measured numbers, and their formats."""
