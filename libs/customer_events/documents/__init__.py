"""Documents made from the contract: page of events and AsyncAPI file (`python -m customer_events.documents`)."""
