"""Operators under one training budget: one table, one picture, one record."""
