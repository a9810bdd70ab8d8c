"""What `padit doctor` checks; each module finds what is wrong, and names the command that mends it."""
