"""The components of the control plane, each a Pykka actor. Imports only `callboard.models`."""
