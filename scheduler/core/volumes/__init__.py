"""VOLUMES: what is known of storage, what waiting pods ask of it, and claims made ready before the first bind."""
