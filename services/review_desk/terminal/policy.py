"""`review-desk policy show | pause | resume`: the policy in force, and its switch."""

from customer_events import Actor
from event_runtime.output import plain, say, show_json, show_table
from review_desk.adapters.desk_control import is_paused
from review_desk.app import App


def show_policy(app: App, *, as_json: bool) -> int:
    """Print the policy in force, and whether it is paused."""
    with app.reading() as connection:
        paused = is_paused(connection)
    facts = plain(app.policy) | {"paused_by_switch": paused}
    if as_json:
        show_json(facts)
    else:
        show_table(f"Policy {app.policy.name}", ("", ""), facts.items())
    return 0


def pause(app: App, actor: Actor, reason: str) -> int:
    """Pause automatic approval on every desk of this database."""
    with app.database.begin() as connection:
        app.pause_approval(connection, actor, paused=True, reason=reason)
    say("automatic approval is paused")
    return 0


def resume(app: App, actor: Actor, reason: str) -> int:
    """Resume automatic approval and look at every open case again."""
    with app.database.begin() as connection:
        app.pause_approval(connection, actor, paused=False, reason=reason)
    approved = app.look_again(app.database, app.publish)
    still = ", although the policy itself says paused" if app.policy.paused else ""
    say(f"automatic approval is resumed{still}; cases approved now: {approved}")
    return 0
