"""What `padit doctor` checks; each module finds faults, and names the command that mends them."""
