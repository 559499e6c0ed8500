"""The ReplicaSet controller: as many pods as a ReplicaSet asks for, and which of them go first."""
