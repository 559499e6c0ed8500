"""The chaos harness: public names and the pytest plugin."""
