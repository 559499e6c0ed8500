"""The Ingress controller: whose an Ingress is, what its status says, what is told of it, and requests on the simulated path."""
