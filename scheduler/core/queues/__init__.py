"""QUEUES: who is entitled to what and who is served next: plain arithmetic on the queue tree, explainable by hand.

Belongs here: the ledger of a cycle, shares, the order of service, history, what a queue's status says.
Does not belong here: whose work has to go because of it (`..taking`), and the totals themselves (`..facts`).
"""
