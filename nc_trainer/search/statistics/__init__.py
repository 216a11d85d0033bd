"""What the rows of an evaluation say: flips, bounds, verdicts and the evidence for them."""
