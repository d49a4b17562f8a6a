"""Quoted names, and how the customer's key is written in a statement. The only place where text becomes SQL."""

from dataclasses import dataclass
from uuid import UUID

from merge_engine.plan_file import Key, Plan


def identifier(name: str) -> str:
    """A quoted identifier, safe inside a statement with %(name)s parameters."""
    return '"' + name.replace('"', '""').replace("%", "%%") + '"'


def table(name: str) -> str:
    """A quoted schema.table."""
    return ".".join(identifier(part) for part in name.split(".", 1))


def literal(text: str) -> str:
    """A quoted constant; for names that the journal and JSON keys need as text."""
    return "'" + text.replace("'", "''").replace("%", "%%") + "'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The customer table and its key, and the engine's own schema, ready for statements."""

    customers: str
    journal_name: str
    key: str
    key_name: str
    key_type: str
    tenant: str | None
    tenant_type: str
    version_column: str | None
    version_name: str
    updated_at: str | None
    schema: str

    @classmethod
    def of(cls, plan: Plan, schema: str) -> "Names":
        """Quote the names of a plan."""
        tenant = plan.customer.tenant or Key(column="tenant_id")
        return cls(
            customers=table(plan.customer.table),
            journal_name=literal(plan.customer.table),
            key=identifier(plan.customer.key.column),
            key_name=plan.customer.key.column,
            key_type=plan.customer.key.type,
            tenant=None if plan.customer.tenant is None else identifier(tenant.column),
            tenant_type=tenant.type,
            version_column=_optional(plan.customer.version),
            version_name=literal(plan.customer.version or ""),
            updated_at=_optional(plan.customer.updated_at),
            schema=identifier(schema),
        )

    def version(self, alias: str) -> str:
        """The version of a customer row; null for no row.

        A table without a version column answers a hash of the row, from 0 to 2^63 - 1: equal rows have equal versions.
        """
        if self.version_column is not None:
            return f"{alias}.{self.version_column}"
        return f"(('x' || left(md5(to_jsonb({alias})::text), 16))::bit(64)::bigint & 9223372036854775807)"

    def next_version(self, alias: str) -> str:
        """The version after the next change of a customer row; without a version column, the hash as it is."""
        return self.version(alias) if self.version_column is None else f"{alias}.{self.version_column} + 1"

    def changes(self, alias: str, *assignments: str) -> str:
        """Assignments to a customer row: every change raises its version."""
        made = list(assignments)
        if self.version_column is not None:
            made.append(f"{self.version_column} = {self.next_version(alias)}")
        if self.updated_at is not None:
            made.append(f"{self.updated_at} = clock_timestamp()")
        return ", ".join(made) or f"{self.key} = {alias}.{self.key}"

    def match(self, alias: str, tenant: str, key: str) -> str:
        """The condition that a customer row is this one; `tenant` and `key` are expressions of the key's types."""
        return self.matches(alias, self.tenant, self.key, tenant, key)

    @staticmethod
    def matches(alias: str, tenant_column: str | None, key_column: str, tenant: str, key: str) -> str:
        """The condition that a row of any table belongs to a customer."""
        condition = f"{alias}.{key_column} = {key}"
        return condition if tenant_column is None else f"{alias}.{tenant_column} = {tenant} AND {condition}"

    def typed_key(self, text: str) -> str:
        """A key kept as text, in the customer table's type."""
        return text if self.key_type == "text" else f"{text}::{self.key_type}"

    def typed_tenant(self, text: str) -> str:
        """A tenant kept as text, in the customer table's type."""
        return text if self.tenant_type == "text" else f"{text}::{self.tenant_type}"

    def keys(self, parameter: str) -> str:
        """A bound list of ids (text) as an array of the key's type."""
        return f"%({parameter})s::text[]::{self.key_type}[]"

    def tenants(self, parameter: str) -> str:
        """A bound list of tenants (text) as an array of the tenant's type."""
        return f"%({parameter})s::text[]::{self.tenant_type}[]"

    def pairs(self, *, patches: bool = False, facilitators: bool = False) -> str:
        """The CTE `t`: one row for each loser of each merge, in the order the losers were named.

        With `patches`, `t.patch` holds what the merge writes to the winner (JSON, by field). With `facilitators`,
        `winner_id` is whoever takes the rows and `t.merge_winner_id` the winner.
        """
        lists = [
            "%(merge_ids)s::text[]::uuid[]",
            self.tenants("tenants"),
            self.keys("losers"),
            self.keys("takers" if facilitators else "winners"),
            "%(positions)s::int[]",
        ]
        columns = ["merge_id", "tenant_id", "loser_id", "winner_id", "position"]
        if patches:
            lists.append("%(patches)s::text[]::jsonb[]")
            columns.append("patch")
        if facilitators:
            lists.append(self.keys("winners"))
            columns.append("merge_winner_id")
        return f"t AS (SELECT * FROM unnest({', '.join(lists)}) AS t({', '.join(columns)}))"

    def journal(self, table_name: str, action: str, columns: str, source: str) -> str:
        """A CTE that journals what another one did; `columns` give merge, tenant, from, row ids and image."""
        return (
            f"INSERT INTO {self.schema}.journal (merge_id, tenant_id, from_id, row_ids, before, table_name, action) "
            f"SELECT {columns}, {table_name}, '{action}' FROM {source}"
        )

    def is_key(self, text: str) -> bool:
        """Whether a text is a key as the database itself would write it; look-alikes such as 007 for 7 are not."""
        return _is_canonical(self.key_type, text)

    def is_tenant(self, text: str) -> bool:
        """The same of a tenant."""
        return _is_canonical(self.tenant_type, text)


def _optional(name: str | None) -> str | None:
    return None if name is None else identifier(name)


_INTEGER_BITS = {"integer": 31, "bigint": 63}


def _is_canonical(type_: str, text: str) -> bool:
    if "\0" in text:
        return False
    if type_ == "text":
        return True
    try:
        if type_ == "uuid":
            return str(UUID(text)) == text
        number = int(text)
    except ValueError:
        return False
    return str(number) == text and -(2 ** _INTEGER_BITS[type_]) <= number < 2 ** _INTEGER_BITS[type_]
