"""The files of deploy/, as far as they run without the machine that they are for."""
