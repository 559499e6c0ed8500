"""The store: keys, revisions and leases. `keyspace.Keyspace` is its pure core, `actor.Store` the component around it."""
