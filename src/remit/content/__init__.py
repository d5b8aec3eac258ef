"""What is in a text: secrets, personal data, injected instructions, ways out. Pure."""
