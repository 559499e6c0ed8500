"""The Job controller: pods that run to their end, so many of them, each counted once."""
