"""Echo-state networks."""
