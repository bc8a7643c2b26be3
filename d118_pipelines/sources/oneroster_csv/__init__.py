"""OneRoster CSV file sets: a zip archive, a folder, or a folder on an SFTP server."""
