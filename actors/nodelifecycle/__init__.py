"""When a node is lost, who is evicted and when, and which pods nobody else will remove."""
