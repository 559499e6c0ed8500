"""The EndpointSlice controller: the addresses behind each Service, in slices that change as little as possible."""
