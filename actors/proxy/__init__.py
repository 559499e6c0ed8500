"""The service proxy: which endpoints answer at a Service's address, from Services and EndpointSlices."""
