"""Where events come from: watch streams (live or recorded) and the API server's audit log.

What belongs here: connections, files, decoding, and the order of arrival. What does not: any judgement.
Who may import it: ``__main__`` and ``running``.
"""
