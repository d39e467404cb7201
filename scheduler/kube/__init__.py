"""EDGE to Kubernetes: credentials, requests, watch streams, effects performed, the lease.

Belongs here: sockets, retries, timeouts, everything that knows HTTP. What objects mean is `scheduler.wire`'s, what to
do about them core's. The runtime imports it; it imports wire and what stands below.
"""
