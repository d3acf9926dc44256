# Tests of this area: one program per source file.
