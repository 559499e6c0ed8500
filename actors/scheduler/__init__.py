"""Where a pod goes, and why it does not."""
