"""The kubelet of one node: a pod's life from its sandbox to its deletion, probes, the node's own object and lease."""
