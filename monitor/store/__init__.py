"""The one owner of the database: connection, tables, and what is read of them."""
