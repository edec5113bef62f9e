"""Where requests run: a process per device, behind one Protocol."""
