"""What components stand on: actor systems, storage, links, container runtimes, and the Cluster and Simulation that users hold."""
