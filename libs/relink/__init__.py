"""A small client for teams whose systems hold rows under customer ids that get merged.

Implement `Relinker` for your tables, give it to a `RelinkHandler`, run that in an event_runtime pipeline on
customer-merged. Your change, the position of the event and its acknowledgement are one transaction of your
own database; duplicates, reordering and replays all end in the same state. `relink.conformance` proves it.
"""

from relink.aliases import AliasTable, relink_ddl_v1
from relink.handler import RelinkHandler
from relink.redirection import Forgetting, Redirection, Relinker

__all__ = ["AliasTable", "Forgetting", "Redirection", "RelinkHandler", "Relinker", "relink_ddl_v1"]
