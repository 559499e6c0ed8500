"""The userspace service proxy: service addresses that really accept TCP connections and spread them over ready endpoints."""
