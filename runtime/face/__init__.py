"""What users hold: `Cluster` and `Simulation`, and the verbs that both share."""
