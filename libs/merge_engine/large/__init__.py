"""Merges whose losers have so many child rows that they follow in chunks, after the merge itself has been committed.

sizing: which merges those are, and how much a transaction may move. leases: who moves a merge's rows. moving: how.
progress: how far it is, and whose rows may be in two places meanwhile.
"""
