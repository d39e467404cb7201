"""PACKING: room for one more pod by putting others closer together, on problems with parts of devices."""
