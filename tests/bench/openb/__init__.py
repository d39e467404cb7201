"""The packing benchmark on the openb lists: protocol, baselines, floor, and our contender built of product code.

What is measured lives in `scheduler.solver`; here is only what feeds it and what it is compared with.
"""
