"""The desk's tables together."""

from dataclasses import dataclass, field

from review_desk.adapters.case_table import CaseTable
from review_desk.adapters.command_table import CommandTable
from review_desk.adapters.decision_log import DecisionLog
from review_desk.adapters.first_approvals import FirstApprovals
from review_desk.adapters.identity_table import IdentityTable


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskTables:
    """Every table of schema review that use cases work on."""

    cases: CaseTable = field(default_factory=CaseTable)
    identities: IdentityTable = field(default_factory=IdentityTable)
    commands: CommandTable = field(default_factory=CommandTable)
    decisions: DecisionLog = field(default_factory=DecisionLog)
    first_approvals: FirstApprovals = field(default_factory=FirstApprovals)
