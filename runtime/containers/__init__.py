"""Container runtimes: what a kubelet drives. Simulated containers, or real processes; one set of messages for both."""
