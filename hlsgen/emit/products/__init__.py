"""How the sums of products with constant weights are built: one description for both back-ends."""
