"""ORACLE OF TAKING BACK: tiny full fleets in which one gang waits, and the cheapest way to make room by trying all.

`world` draws plain values, `entitled` counts who is entitled to what, `rights` says which victims may be taken,
`brute` tries every set of victims, every move and every place. None of it shares code with the scheduler: it is written
from what queues and gangs promise (docs/reference/objects.md). `compare` puts the scheduler's own decision beside it.
"""
