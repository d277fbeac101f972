"""Results on their way to others: entries, formats, comparisons and figures."""
