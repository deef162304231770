"""What can be known of a model card without running its model."""
