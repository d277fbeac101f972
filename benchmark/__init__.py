"""The harness: evaluation, record, tracking, animation and the `bench` command."""
