"""The embedded default model: drawn images, a small trained detector, and everything to make them again."""
