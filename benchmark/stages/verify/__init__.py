"""Doubt a network: stages that count what the row's own attacks have missed, one module for each way to look."""
