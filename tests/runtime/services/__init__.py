"""Services on a real network of namespaces: what the rules of a node do to connections."""
