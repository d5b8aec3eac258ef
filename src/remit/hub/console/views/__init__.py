"""What people see who are logged in: one module for each page."""
