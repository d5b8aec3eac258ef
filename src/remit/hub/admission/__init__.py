"""Whether what was pushed may be pulled: quarantine, decision, evidence."""
