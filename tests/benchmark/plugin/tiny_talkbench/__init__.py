"""A package as others would write it: one method and one data set, found through its entry points."""
