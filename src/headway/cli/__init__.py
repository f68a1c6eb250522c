"""What people type: parse, call, render. No decisions."""
