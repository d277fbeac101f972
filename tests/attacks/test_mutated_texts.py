"""A sample of the attacks with spoilt texts and entries; CONTRIBUTING.md says how to run all of them."""

from attacks.mutated_texts import attack


def test_spoilt_texts_and_entries_are_read_or_refused() -> None:
    tallies = attack(count=240, entries=12)
    assert [line for tally in tallies.values() for line in tally.bad] == []
    assert {kind: tally.tried for kind, tally in tallies.items()} == {
        "lists": 80, "YAML files": 80, "records": 80, "entries": 12,
    }  # fmt: skip
    assert all(0 < tally.read < tally.tried for tally in tallies.values())
