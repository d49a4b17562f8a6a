"""Merges whose losers have so many child rows that they follow in chunks, after the merge itself has been committed.

sizing: which merges those are, and how much a transaction may move. leases: who moves a merge's rows. moving: how.
freeing: what the winner wants at once of records that stay until then. progress: how far it is, and whose rows may be
in two places meanwhile. returning, undo_state, undoing: how all of it goes back.
"""
