"""How sure numbers and differences are."""
