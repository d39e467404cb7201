"""TERMS: one file per rule of placement, in three kinds.

A *filter* says which nodes a shape may not use. A *rule* must hold in every plan: its CP-SAT form (`post`) and its
plain check (`broken`) share no code, and a property test demands that they agree. A *goal* is to be minimised: `post`
gives the expression, `cost` the same number by plain arithmetic.

Terms are independent of one another, and none imports ortools: the façade's types are passed in. `table` names them
all.
"""
