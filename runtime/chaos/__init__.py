"""The chaos harness: schedules that go wrong on purpose, oracles that notice, and what makes a failure small and plain.

A schedule is a `Plan`: topology, what users do, faults, and which messages are held for how long. Everything in it is plain data, so that
the same plan gives the same history, can be written to a file, and be made smaller piece by piece.
"""
