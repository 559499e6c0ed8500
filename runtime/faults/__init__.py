"""What can go wrong, as values; how that is carried out; how a run's deviations are recorded, written to files and read back."""
