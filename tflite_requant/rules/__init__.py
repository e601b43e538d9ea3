"""What happens to an operator's constants. Pure functions; nothing here knows a kernel."""
