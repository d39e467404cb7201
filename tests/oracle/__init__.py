"""ORACLE: tiny worlds solved by trying everything, to hold the scheduler's optimum against.

`world` draws a world from a seed, `brute` finds the best plan by plain enumeration over nodes. Neither knows classes,
counts or models; they share no code with the solver but the values that its problem gives to work.
"""
