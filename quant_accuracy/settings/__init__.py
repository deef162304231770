"""What is asked for: model cards, options, and the request that follows from them."""
