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
            schema=identifier(schema),
        )

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

    def pairs(self) -> str:
        """The CTE `t`: one row for each loser of each merge, in the order the losers were named."""
        return (
            f"t AS (SELECT * FROM unnest(%(merge_ids)s::text[]::uuid[], {self.tenants('tenants')}, "
            f"{self.keys('losers')}, {self.keys('winners')}, %(positions)s::int[]) "
            "AS t(merge_id, tenant_id, loser_id, winner_id, position))"
        )

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
