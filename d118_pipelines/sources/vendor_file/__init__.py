"""Files of a vendor that are no roster, and the files that answer a delivery."""
