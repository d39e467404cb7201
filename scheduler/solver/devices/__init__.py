"""DEVICES: what stands under a node's GPU count: parts of devices, and what their free parts are worth."""
