"""Pickles followed opcode by opcode, as the machine that loads them would; nothing is loaded."""
