"""The local target: instances are processes on this machine, each under a shim of its own."""
