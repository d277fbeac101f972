"""Programs of other people, each in an environment of its own, driven over pairs by a card that says how to call it."""
