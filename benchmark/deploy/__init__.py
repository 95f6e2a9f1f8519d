"""Networks as they are shipped: exported to a runtime's own file, run by that runtime, on the CPU."""
