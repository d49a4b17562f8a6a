"""Rows of which a customer may have only one of a kind: the winner's and ALL losers' are ranked in one window."""

from merge_engine.plan_file import RepointUnique
from merge_engine.statements.child_choices import MEMBERS, chosen_away
from merge_engine.statements.names import Names, identifier
from merge_engine.statements.owners import ChildRows


def remove_losing(child: RepointUnique, rows: ChildRows, names: Names) -> str:
    """Put losing rows aside, or leave those of losers where they are.

    Answers (merge_id, is_removed, n), and for consents each decision with (channel, granted, evidence).
    """
    removed = (
        "merge_id, tenant_id::text, owner_id::text, array_agg(row_id), "
        "jsonb_agg(jsonb_build_object('row', image, 'kept', kept))"
    )
    stay, kept = "", ""
    if child.collision.losing_rows == "keep_on_loser":
        # A losing row of the winner has to go: the row that takes its place needs the place.
        stay = " AND r.owner_id = r.winner_id"
        staying = "merge_id, tenant_id::text, owner_id::text, array_agg(row_id), NULL::jsonb"
        source = "r WHERE place > 1 AND owner_id <> winner_id GROUP BY merge_id, tenant_id, owner_id"
        kept = f",\nk AS ({names.journal(rows.journal_name(), 'KEPT', staying, source)})"
    answer = "SELECT merge_id::text, true, count(*) FROM r WHERE place > 1 GROUP BY merge_id"
    if child.consent is not None:
        decided = f"rivals > 1{_decided(child, rows, names)}"
        answer = f"SELECT merge_id::text, place > 1, 1, channel, granted, evidence FROM r WHERE {decided}"
    return f"""
WITH {names.pairs()},
{_ranked(child, rows, names)},
d AS (
  DELETE FROM {rows.rows} c USING r
  WHERE r.place > 1{stay} AND {rows.same_id("c", "r")} AND {rows.owned("c", "r.tenant_id", "r.owner_id")}
  RETURNING r.merge_id, r.tenant_id, r.owner_id, r.row_id, to_jsonb(c) AS image, r.kept),
j AS ({names.journal(rows.journal_name(), "REMOVED", removed, "d GROUP BY merge_id, tenant_id, owner_id")}){kept}
{answer}"""


def count_ranked(child: RepointUnique, rows: ChildRows, names: Names) -> str:
    """Answers (merge_id, moved, put aside)."""
    away = chosen_away(child, rows, "c", "p") if child.choosable else None
    put_aside = ""
    if away is not None:
        put_aside = f"""
UNION ALL SELECT p.merge_id, 0, count(*) FROM p
JOIN {rows.rows} c ON {rows.owned("c", "p.tenant_id", "p.owner_id")} WHERE {away} GROUP BY p.merge_id"""
    stays = "" if away is None else f" AND NOT {chosen_away(child, rows, 'c', 't')}"
    unranked = f"""
UNION ALL SELECT t.merge_id, count(*), 0 FROM t
JOIN {rows.rows} c ON {rows.owned("c", "t.tenant_id", "t.loser_id")}
WHERE NOT ({comparable(child)}){stays} GROUP BY t.merge_id"""
    return f"""
WITH {names.pairs()},
{_ranked(child, rows, names, but=away)},
n AS (
SELECT merge_id, count(*) FILTER (WHERE place = 1 AND owner_id <> winner_id) AS moved,
  count(*) FILTER (WHERE place > 1) AS away FROM r GROUP BY merge_id{unranked}{put_aside})
SELECT merge_id::text, sum(moved)::bigint, sum(away)::bigint FROM n GROUP BY merge_id"""


def _ranked(child: RepointUnique, rows: ChildRows, names: Names, *, but: str | None = None) -> str:
    """The CTEs `p` and `r`: place 1 stays."""
    partition = "PARTITION BY p.merge_id" + "".join(f", c.{identifier(column)}" for column in child.unique)
    window = f"({partition} ORDER BY {preference(child)}p.position{rows.order('c')})"
    consent = child.consent
    extra = (
        f", c.{identifier(consent.channel)}::text AS channel, c.{identifier(consent.granted)} AS granted, "
        f"c.{identifier(consent.evidence)}::text AS evidence"
        if consent
        else ""
    )
    # Rows that lost before and stayed on their loser do not compete again when rows are reconciled.
    again = (
        f" AND NOT {rows.journalled(names.schema, 'c', 'p.merge_id', 'p.owner_id::text', 'KEPT')}"
        if child.collision.losing_rows == "keep_on_loser"
        else ""
    )
    return f"""{MEMBERS},
r AS (
  SELECT p.merge_id, p.tenant_id, p.owner_id, p.winner_id{rows.id_columns("c")}, {rows.id_text("c")} AS row_id{extra},
    row_number() OVER {window} AS place, first_value({rows.id_text("c")}) OVER {window} AS kept,
    count(*) OVER ({partition}) AS rivals
  FROM p JOIN {rows.rows} c ON {rows.owned("c", "p.tenant_id", "p.owner_id")}
  WHERE {comparable(child)}{again}{"" if but is None else f" AND NOT {but}"})"""


def comparable(child: RepointUnique) -> str:
    """The condition that a row `c` can collide: a missing value in the unique columns collides with nothing."""
    return " AND ".join(f"c.{identifier(column)} IS NOT NULL" for column in child.unique) or "TRUE"


def preference(child: RepointUnique) -> str:
    """What decides before the order of the customers does, with a comma after it."""
    column = f"c.{identifier(child.collision.column or '')}"
    match child.collision.policy:
        case "keep_loser":
            return "p.position = 0, "
        case "newest" | "highest":
            return f"{column} DESC NULLS LAST, "
        case "oldest" | "most_restrictive":
            return f"{column} ASC NULLS LAST, "
        case "latest_evidence":
            return _latest_evidence(child, column)
        case "keep_winner" | "block":
            return ""


def _latest_evidence(child: RepointUnique, time: str) -> str:
    """The latest decision that is an opt-out or has evidence; what is granted without evidence comes last."""
    if child.consent is None:
        return ""
    granted, evidence = f"c.{identifier(child.consent.granted)}", f"c.{identifier(child.consent.evidence)}"
    counts = f"({granted} IS NOT TRUE OR nullif(btrim({evidence}::text), '') IS NOT NULL)"
    return f"{counts} DESC, CASE WHEN {counts} THEN {time} END DESC NULLS LAST, {granted} ASC NULLS FIRST, "


def _decided(child: RepointUnique, rows: ChildRows, names: Names) -> str:
    """A choice that left one row of a channel has decided it, too."""
    if child.consent is None or not child.choosable:
        return ""
    channel = child.consent.channel.replace("'", "''").replace("%", "%%")
    return (
        f" OR EXISTS (SELECT 1 FROM {names.schema}.journal k, jsonb_array_elements(k.before) x "
        f"WHERE k.merge_id = r.merge_id AND k.table_name = {rows.journal_name()} AND k.action = 'CHOSEN_AWAY' "
        f"AND x->>'{channel}' = r.channel)"
    )
