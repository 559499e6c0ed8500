"""The resource quota controller: counts what quotas limit."""
