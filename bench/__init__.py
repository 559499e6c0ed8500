"""The benchmark runner, its scenarios and reports. Uses only the public face."""
