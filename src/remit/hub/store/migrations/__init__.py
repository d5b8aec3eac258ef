"""Migrations of the Hub's database, one file each, applied by Alembic."""
