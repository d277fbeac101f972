"""The networks of extractors that no library has; in modules of their own, since PyTorch takes seconds to import."""
