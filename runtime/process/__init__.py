"""Real processes as containers: the daemon that is their parent, the driver that talks to it, and the folders of pods."""
