"""What `padit doctor` checks: each finding names what is wrong and the command that mends it."""
