# English names and descriptions of commands stand in the code, beside what they do.
