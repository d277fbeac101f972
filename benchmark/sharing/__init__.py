"""Results for other people to see: entries, formats of other programs, comparisons and figures."""
