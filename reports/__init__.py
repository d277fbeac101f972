"""Tables, pages and picture strips made from stored runs and published numbers."""
