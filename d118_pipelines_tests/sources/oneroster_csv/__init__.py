"""OneRoster CSV file sets, read from archives, folders and a real SFTP server."""
