"""Rows of the helpdesk: every test makes its own."""

from typing import Any

from rig.profile_world import ProfileWorld


def customer(world: ProfileWorld, name: str, **columns: Any) -> str:
    """A new customer who writes from an e-mail address; the id."""
    email = columns.setdefault("email", f"{name.replace(' ', '.').lower()}@{len(name)}.example")
    id_ = str(world.insert_returning("agent_console.customers", "customer_id", display_name=name, **columns))
    world.insert("agent_console.handles", customer_id=id_, channel="email", address=email)
    return id_


def case(world: ProfileWorld, customer_id: str, subject: str, status: str = "open") -> int:
    """A new case with a message, and its row in the inbox; its number."""
    of = {"customer_id": customer_id, "subject": subject, "status": status}
    number = int(world.insert_returning("agent_console.cases", "case_no", **of))
    author = {"author_kind": "customer", "author_id": customer_id}
    world.insert("agent_console.messages", case_no=number, body=subject, **author)
    row = {"customer_id": customer_id, "customer_name": record(world, customer_id).display_name}
    world.insert("agent_console.inbox_rows", case_no=number, preview=subject, **row)
    return number


def receive(world: ProfileWorld, customer_id: str, text: str) -> int:
    """A message comes in from the customer's own address; the number of the case it went to."""
    email = record(world, customer_id).email
    return int(world.value("SELECT agent_console.receive('email', :email, :text)", email=email, text=text))


def inbox(world: ProfileWorld, *cases: int) -> list[tuple[str, str]]:
    """Whose rows these cases have in the inbox, and the names that are shown."""
    query = (
        "SELECT customer_id::text, customer_name FROM agent_console.inbox_rows"
        " WHERE case_no = ANY (:cases) ORDER BY inbox_row_id"
    )
    return [tuple(row) for row in world.sql(query, cases=list(cases))]


def owners(world: ProfileWorld, *cases: int) -> list[str]:
    """Whose cases they are."""
    query = "SELECT customer_id::text FROM agent_console.cases WHERE case_no = ANY (:cases) ORDER BY case_no"
    return [row[0] for row in world.sql(query, cases=list(cases))]


def record(world: ProfileWorld, customer_id: str) -> Any:
    """A customer's record."""
    (row,) = world.sql("SELECT * FROM agent_console.customers WHERE customer_id = :id", id=customer_id)
    return row
