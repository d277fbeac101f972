"""What happens inside a method, as pictures."""
