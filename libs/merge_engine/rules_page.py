"""`docs/rules.md`: what stops a merge and how fields are decided, from the rule packs and the strategies.

Run as a program it writes the page into the source tree, or with --check says whether it is current.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from customer_identity.merging.roles import ROLES
from customer_identity.merging.survivorship import STRATEGIES
from merge_engine.plan_file import Pack, PackRule, packs, strategy_keys

_SOURCE_TREE = Path(__file__).parents[2]

_INTRODUCTION = """# Rules and strategies

<!-- Made by `make docs` from libs/merge_engine/packs and the strategies; edit those. -->

## Rules

A rule is evaluated when a merge is previewed, when it is approved, and again under lock. All rules that fail are
reported, never only the first; a preview shows every rule with the figures behind it, passed or failed. Rules look at
every customer that was ever merged into a party, not only at the two that are named.

- **Side**: WINNER, LOSER, EITHER (each of them by itself), PAIR (any two of them), ACTOR, SYSTEM.
- **Severity**: BLOCK; WARN lets the merge pass but keeps it from automatic approval; WAIVABLE blocks unless the order
  names it in `waived_rules` and the actor has the role `waivable_by` or a higher one ({roles}).
- **Temporary**: with `on_ineligible: WAIT` an order that fails only temporary rules is tried again (every five minutes;
  after a calendar's window as soon as that ends). One permanent failure rejects it.
- **`fixed_by`**: choices of the order that answer the rule: `{{field: email}}`, or `{{facilitator: true, rows: s.t}}`.
- **`cleared_by_reason`**: the rule does not count for orders with this reason.
- **`conversion: true`**: the rule protects the record itself and is asked before a ConvertCustomer, too; nothing
  waives it there.

A plan binds a rule to its own tables by one of these forms:

| form | fails when | example |
|---|---|---|
| `exists` | a customer on that side has such rows | `exists: {{table: s.orders, where: {{status: OPEN}}}}` |
| `flag` | a column of the customer satisfies the condition | `flag: {{column: state, equals: HELD}}` |
| `flag` | a row of the system (or, `per: tenant`, of the tenant) satisfies all conditions | \
`flag: {{table: s.settings, where: {{month_end: true}}, per: tenant}}` |
| `mismatch` | two customers both have a value and the values differ (`by`: under the same key) | \
`mismatch: {{table: s.accounts, column: number, by: bank}}` |
| `differs` | the values of two customers differ; none on one side counts as different | \
`differs: {{column: joint_holder}}` |
| `both_present` | two customers have it, even if it is equal | `both_present: {{column: last_seen, within_days: 90}}` |
| `calendar` | it is one of the last or first days of a month | \
`calendar: {{last_days: 1, first_days: 1, time_zone: Europe/London}}` |
| `needs_role` | the actor has not that role (`when`: and a customer has such rows, or is flagged) | \
`needs_role: protected-data` |
| `python` | a function finds something | `python: "shop.rules:vouchers", facts: [tier, {{table: s.v, column: code}}]` |

Values are compared without regard to case and spacing; blank is missing. Conditions under `where` and `equals`: a
value, `{{one_of: [a, b]}}`, `{{not: a}}`, `{{above: 1}}`, `{{below: 1}}`, `{{within_days: 30}}`, `{{present: true}}`.
Whose the rows of a table are is taken from the children of the plan with that table, or from `customer:` and `tenant:`.

A function is given the customers (`customer_identity.merging.checks.Subject`: id, root id, side, facts by name), the
order and the database's time. It answers the ids at fault, or true for all of them. It must not read anything else.

A plan that lists `packs` binds every rule of the identity pack and of these packs, or names it under `not_applicable`
with the reason. It may give a rule words or a severity of its own, never another side or permanence. A rule may be
bound several times, and also as the `rule` of a child with `block_if_exists`, or as `over_cap` or `on_conflict` of a
field. PROTECTED_ATTRIBUTE_NOT_COPIED is bound by any field with `protected: true`, ENTITY_TYPE_MISMATCH by
`customer.type`.

### Two people

Above a threshold of the plan a merge needs the approvals of two different people (`approvals` of the command); policies
are none, and `Ann` is `ann`. TWO_PEOPLE_REQUIRED names the threshold. Nothing waives it, and it is permanent: the
command is sent again with both.
```yaml
two_people:
  - {{above: 10000, sum: {{table: shop.points, column: balance}}}}   # added up over everybody who would become one
  - {{above: 5000, sum: {{column: credit_limit}}}}                  # a column of the customer
  - {{above: 100, rows: {{table: shop.orders, where: {{status: OPEN}}}}}}  # rows of the losers
  - {{above: 2000, rows: all}}                                    # of all tables whose rows move
```
"""

_OTHERS = """## Rules without a pack

| rule | when |
|---|---|
| LOSER_PREVIOUSLY_MERGED | a loser was merged into somebody else; with `follow_redirects`, approved, its root goes |
| APPROVAL_OF_ROOTS_MISSING | `follow_redirects` without `approvals`, or without the expected version of every root |
| FIELD_CHOICE_INVALID | a field choice names no usable field, strategy or party, or a literal of the wrong type |
| ROW_CHOICE_INVALID | a row choice names a table that cannot be chosen from, or a row that is no party's |
| FACILITATOR_INVALID | the facilitator does not exist, was merged away, or takes part in the merge |
| FIELD_CONFLICT | a field with BLOCK_ON_CONFLICT has two values, and the plan names no rule for that |
| FIELD_OVER_LIMIT | a field is over its `cap`, and the plan names no rule for that |
| TOO_LARGE | a loser has more rows in one table than a transaction can move, and they cannot follow in chunks |
| TWO_PEOPLE_REQUIRED | a number is above a threshold of the plan, and no two people approved the merge |
| IDENTITY_TOO_LARGE | more than 10,000 records would be one customer, or more than an event tells; conversions, too |
| VERSION_NEGATIVE | a record's version is below zero |
| ROWS_COLLIDE | rows of a child with the collision policy `block` would take the same place |
"""

_STRATEGIES = """## Strategies

How a field of the winner is decided. Values that are equal without regard to case and spacing are no conflict. Every
strategy ends in the same tie-break: the winner first, then the losers as the order names them. The losing values stay
in the journal. An order may decide a field by itself: `from_customer_id`, `strategy` or `literal`.

`time`, `source`, `verified_column` and `evidence` name columns of the customer, `follow` a field. `order` lists
sources or ranks, the best first. `cap` bounds what is combined (elements of a union, characters of a text); what is
over it fails the rule `over_cap` until somebody chooses. `restrictive` is the value of a permission that forbids:
false, unless given, or true for a column whose name says so (`opted_out`, `do_not_mail`, `unsubscribed`). A field
with `protected: true` (WINNER_STRICT only) stays behind loudly, and only an actor with the role protected-data
decides it.

| strategy | takes | needs | may have |
|---|---|---|---|
"""

_BY_THE_ORDER = {
    "RECORD_EXPLICIT": "The value of the record that the order names (`from_customer_id`).",
    "LITERAL": "A value given by the order (`literal`) or by the plan (`value`).",
    "FOLLOW_ATTRIBUTE": "The value of the record that another field came from, blank or not: an address stays whole.",
}


def rules_page() -> str:
    """The page as Markdown."""
    sections = [_INTRODUCTION.format(roles=" < ".join(ROLES)), *(_pack(pack) for pack in packs().values())]
    return "\n".join([*sections, _OTHERS, _STRATEGIES + "".join(_strategies())])


def _pack(pack: Pack) -> str:
    head = f"## Pack {pack.pack}\n\n{pack.about}\n\n"
    table = "| rule | side | lasts | what it says | remedy | bound by |\n|---|---|---|---|---|---|\n"
    return head + table + "".join(_rule(rule) for rule in pack.rules)


def _rule(rule: PackRule) -> str:
    notes = (
        []
        if rule.severity == "BLOCK"
        else [rule.severity.value + (f" ({rule.waivable_by})" if rule.waivable_by else "")]
    )
    if rule.cleared_by_reason is not None:
        notes.append(f"cleared by the reason {rule.cleared_by_reason}")
    if rule.conversion:
        notes.append("also asked of conversions")
    says = rule.message + "".join(f"; {note}" for note in notes)
    lasts = "permanent" if rule.permanent else "temporary"
    return (
        f"| {rule.rule} | {rule.side.value} | {lasts} | {says} | {rule.remediation} | {rule.provided or 'the plan'} |\n"
    )


def _strategies() -> Iterator[str]:
    told = {name: (strategy.__doc__ or "").splitlines()[0] for name, strategy in STRATEGIES.items()} | _BY_THE_ORDER
    for name, takes in told.items():
        needs, may_have = strategy_keys(name)
        yield f"| {name} | {takes} | {_keys(needs)} | {_keys(may_have)} |\n"


def _keys(keys: tuple[str, ...]) -> str:
    return ", ".join(f"`{key}`" for key in keys)


def main(argv: list[str] | None = None) -> int:
    """0 done, or current; 1 it is not."""
    parser = argparse.ArgumentParser(prog="python -m merge_engine.rules_page", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the page is not current")
    parser.add_argument("--into", type=Path, default=_SOURCE_TREE, help="the source tree")
    options = parser.parse_args(argv)
    path: Path = options.into / "docs/rules.md"
    if path.is_file() and path.read_text("utf-8") == rules_page():
        return 0
    if options.check:
        sys.stderr.write(f"{path} is not current: run `make docs`\n")
        return 1
    path.write_text(rules_page(), "utf-8")
    sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
