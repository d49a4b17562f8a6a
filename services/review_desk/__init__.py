"""The review desk: policy and people decide which candidates of the detector become merge commands."""
