"""The apiserver: what a write must pass, the watch cache, and the streams out of it. `actor.ApiServer` is the component."""
