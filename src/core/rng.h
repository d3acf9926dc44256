/* rng.h - counter-based random numbers: the same (seed, name) gives the same stream anywhere.
 *
 * Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"). A stream is
 * a key and a counter; nothing is shared, so threads and the order of use do not matter.
 */
#ifndef NL_RNG_H
#define NL_RNG_H

#include <stdint.h>

struct nl_rng {
    uint32_t key[2], counter[4];
    uint32_t block[4]; /* numbers made and not yet given out */
    int left;
};

/* The stream of `name` under `seed`. */
void nl_rng_seed(struct nl_rng *rng, uint64_t seed, const char *name);

/* One Philox4x32-10 block: out from counter and key. Public for its known-answer test. */
void nl_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

uint32_t nl_rng_u32(struct nl_rng *rng);
double nl_rng_double(struct nl_rng *rng); /* uniform in [0, 1), 53 bits */
double nl_rng_normal(struct nl_rng *rng); /* mean 0, deviation 1 (Box and Muller) */

/* Uniform integer in [low, high], both included, without bias. low <= high. */
int64_t nl_rng_range(struct nl_rng *rng, int64_t low, int64_t high);

#endif
