"""What is deleted when its owner goes."""
