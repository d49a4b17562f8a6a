"""A merge plan compiled to set-based SQL, once. Identifiers are quoted, values bound, lists of rows come by unnest."""
