/* fixture.h - recorded cases: files of safetensors in the folder NL_FIXTURES. */
#ifndef NL_TESTS_FIXTURE_H
#define NL_TESTS_FIXTURE_H

#include "src/weights/state.h"

/* The path of a file there; until the next call. */
const char *fixture_path(const char *name);

/* Values of an entry, which must be there, as doubles, for nl_free. */
double *fixture_values(const struct nl_state *state, const char *name);

/* Names of the files that begin with `prefix`, in order; ends the program where they are fewer than
 * `least`. For fixture_names_free. To be called before any test runs. */
int fixture_names(const char *prefix, int least, char ***names);
void fixture_names_free(char **names, int count);

/* Root of the sum of squares, and of those of differences; infinite where `got` has a NaN. */
double fixture_norm(const double *values, size_t count);
double fixture_difference(const double *got, const double *want, size_t count);

#endif
