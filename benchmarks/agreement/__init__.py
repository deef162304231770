"""How closely results of one kind agree with those of another."""
