"""Which worker of xdist runs which test."""

from xdist.scheduler import LoadScopeScheduling


class ModulesOfParityTogether(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types
    """Tests go to whoever is free, but those of one parity module stay together: they share a running system."""

    def _split_scope(self, nodeid: str) -> str:
        module, _, _ = nodeid.partition("::")
        return module if "/parity/" in module else nodeid
