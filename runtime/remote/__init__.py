"""The link between a running cluster and other programs of the same user: a Unix socket with msgpack frames."""
