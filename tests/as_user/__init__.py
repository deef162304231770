"""The whole product, as its user meets it."""
