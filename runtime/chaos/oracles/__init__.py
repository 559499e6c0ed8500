"""What must hold of a run: after every step, at rest, and within a time after the last fault. See `base.py` for what an oracle is."""
