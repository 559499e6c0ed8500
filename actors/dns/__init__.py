"""The cluster's name service: which names there are, and what they mean."""
