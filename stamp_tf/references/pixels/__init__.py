"""Which pixels a network expects: followed through its graph, and tried where the graph does not tell."""
