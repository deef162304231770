"""Damaged input of every kind: each case ends in an error of ours or in a correct result, in time and in memory."""
