"""ASKS: what pods ask of nodes and of one another, read exactly as Kubernetes means it."""
