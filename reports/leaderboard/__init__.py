"""The leaderboard: a static site made of nothing but result entries and the published numbers."""
