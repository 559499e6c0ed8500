"""What the cluster's nodes and pods use: metrics-server's part."""
