"""A run, from its options to its rows: plan, runner, evaluator, scorer, and the record of how it was made."""
